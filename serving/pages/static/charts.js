// Draws the charts whose specifications stand in the page. No eval: expressions are interpreted.
"use strict";

const OPTIONS = {
  mode: "vega-lite",
  renderer: "svg",
  actions: false,
  ast: true,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true, theme: "none" },
  loader: { load: () => Promise.reject(new Error("charts load nothing")) },
};

async function draw(chart) {
  const place = chart.querySelector(".chart-place");
  const spec = JSON.parse(chart.querySelector(".chart-spec").textContent);
  place.hidden = false;
  try {
    await window.vegaEmbed(place, spec, OPTIONS);
    chart.classList.add("drawn");
    const table = chart.querySelector(".chart-table");
    if (table) table.open = false;
  } catch (problem) {
    place.hidden = true;
    console.warn(`chart ${chart.id}: ${problem.message}`);
  }
}

// What is out of sight waits, so that the first screen is there sooner.
if (window.vegaEmbed) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll(".chart").forEach((chart) => seen.observe(chart));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".chart:not(.drawn)").forEach((chart) => { seen.unobserve(chart); draw(chart); });
  });
}
