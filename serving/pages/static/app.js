// Small helps only: every page works without this file, except that charts stay tables.
"use strict";

document.documentElement.classList.add("has-script");

for (const form of document.querySelectorAll("[data-theme-form]")) {
  form.querySelector("select").addEventListener("change", () => form.requestSubmit());
}

// A menu that is open closes with Escape, and its summary takes the focus back.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.who[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Sliders say their value while they move.
for (const slider of document.querySelectorAll("input[type=range][data-shows]")) {
  const shown = document.getElementById(slider.dataset.shows);
  slider.addEventListener("input", () => {
    const value = Number(slider.value);
    shown.textContent = `${value < 0 ? "−" : "+"}${Math.abs(value)} %`;
  });
}
