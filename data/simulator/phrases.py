"""How people write about what happens: phrasings per signal, and a held-out set for tests.

`{}` stands for what the sentence is about: a competitor, a feature, a date. The wording is nobody's
pattern list: it was written to sound like notes, mails and minutes, so that a lexicon has work to do.
`HELD_OUT` (a module of its own) is never used by the simulator.
"""

from data.simulator.held_out import HELD_OUT

__all__ = ["CLOSERS", "COMPETITORS", "FEATURE_CODES", "HELD_OUT", "NEUTRAL", "OPENERS", "PHRASES", "SUBJECTS"]

COMPETITORS = ("Northwind", "Acme Cloud", "Vertigo", "BlueHarbor", "Quantra", "the incumbent")

PHRASES: dict[str, tuple[str, ...]] = {
    "problem_recognised": (
        "They admit the month-end close takes nine days and nobody accepts that any longer.",
        "Ops lead said out loud that the current process is broken.",
        "First time they describe the pain themselves: errors in every third order.",
        "Agreed that doing nothing costs them more than the project.",
    ),
    "scoping": (
        "Went through what is in and what is out of the first phase.",
        "They sent a list of sites and users that should be covered.",
        "Drew up the boundaries: two plants, one ERP, no HR data.",
        "Spent the hour on requirements, must-haves against nice-to-haves.",
    ),
    "budget_champion": (
        "She will take it to the budget round herself.",
        "Our contact is now looking for money in next year's plan.",
        "He offered to sponsor the business case internally.",
        "There is a cost centre now, and somebody who defends it.",
    ),
    "solution_visualised": (
        "They sketched on the whiteboard how their day would look with it.",
        "Walked through the target picture; people finished our sentences.",
        "Mock-up with their own data shown, lots of nodding.",
        "They can picture the new process end to end now.",
    ),
    "long_list": (
        "We are one of eight names they collected.",
        "Procurement gathers possible vendors, we made it onto the first list.",
        "Initial market scan is done, about ten suppliers including us.",
        "They ask everybody the same forty questions at this point.",
    ),
    "outreach": (
        "They contacted three vendors including us for a first talk.",
        "An official request for information landed in the inbox.",
        "The project office is now calling suppliers one by one.",
        "Received their questionnaire, deadline is next Friday.",
    ),
    "short_list": (
        "Down to three now, we are still in.",
        "Made the cut: two others remain.",
        "We were told that only a handful of vendors continue and we are among them.",
        "Selected for the next round together with one other supplier.",
    ),
    "proof_of_concept": (
        "Pilot starts on their test system next week.",
        "They want to try it with real data for four weeks.",
        "PoC kicked off, success criteria written down.",
        "Sandbox is up and two of their engineers are in it.",
    ),
    "cost_benefit": (
        "Went over the ROI sheet with their controller.",
        "They calculated payback themselves: 14 months.",
        "Business case reviewed line by line, savings look right to them.",
        "The discussion turned to what it saves against what it costs.",
    ),
    "bake_off": (
        "Head to head next Tuesday, same script for both vendors.",
        "Final comparison between us and one other on their scenarios.",
        "They score both finalists on the same test cases.",
        "Side-by-side run done, the jury takes a week.",
    ),
    "negotiation": (
        "Now it is about price and payment terms.",
        "They asked for another eight percent and longer notice periods.",
        "Redlines came back, mostly liability and discount.",
        "Commercial round two: volume tiers and the ramp.",
    ),
    "sign_off": (
        "The paper is with the board for signature.",
        "Final approval round has started, two signatures missing.",
        "Order form circulates for approval.",
        "Everything agreed, waiting for the ink.",
    ),
    "competitor_mentioned": (
        "They are also talking to {}.",
        "{} came up twice in the call.",
        "Apparently {} claims to do the same.",
        "Saw a {} slide deck on the table.",
        "He asked how we differ from {}.",
        "{} was in last week, according to the assistant.",
    ),
    "metrics_requested": (
        "They now want figures from live customers using that feature.",
        "Asked for performance numbers we cannot have yet.",
        "Someone new demands statistics on adoption before going on.",
        "Request for hard data: throughput, uptime, error rates over a year.",
    ),
    "reference_requested": (
        "Would like to speak to a customer of similar size.",
        "Asked whether a reference visit is possible.",
        "They want two names from their industry whom they may call.",
        "Can we connect them with somebody who runs this in production?",
    ),
    "fomo": (
        "Their CEO read that all competitors already have this and does not want to be last.",
        "Everybody in their industry seems to buy one, so they feel they have to.",
        "Main driver seems to be not missing the train.",
        "The board is nervous about falling behind the hype.",
    ),
    "mission_critical": (
        "Without it the plant stops in autumn, they said.",
        "The old system loses support in March, so there is no way around it.",
        "This is what the audit finding hinges on, it must work.",
        "Their whole order flow depends on it.",
    ),
    "sponsor_backing": (
        "The COO joined for ten minutes and stood behind the project.",
        "Their VP wrote to the team that this is a priority.",
        "Top management gave its blessing.",
        "Executive sponsor asks weekly how it goes and clears the path.",
    ),
    "objection": (
        "Worried about the effort of migration.",
        "Security raised doubts about the hosting.",
        "They find it too expensive for what it does.",
        "Pushback from the works council on tracking.",
    ),
    "beta_or_launch_partner": (
        "Offered them a seat in the early access programme for {}, they liked the honesty.",
        "They would join as launch partner for {}.",
        "Told them plainly {} is not ready; they agreed to be beta testers.",
        "They take part in the pilot group for {} with eyes open.",
    ),
    "promised": (
        "Told them {} will be there {due}.",
        "Committed to shipping {} {due}.",
        "They sign only with {}; I said we will have it {due}.",
        "Our roadmap slide shows {} {due}, they hold us to it.",
    ),
    "rescheduled": (
        "Had to tell them {} moves, now {due}.",
        "{} slips again, the new date is {due}.",
        "Engineering needs more time for {}; expect it {due}.",
        "Awkward call: {} is late, we said {due}.",
    ),
    "delivered": (
        "{} is live on their tenant.",
        "Showed {} working with their data, as agreed.",
        "Handed over {}, they tested it on the spot.",
        "Release with {} went out and they confirmed it works.",
    ),
    "withdrawn": (
        "We had to take {} off the table.",
        "Product management dropped {}, told them today.",
        "{} will not come, we said so.",
        "No {} after all; they were not amused.",
    ),
    "new_faces": (
        "Two people we had never met joined the call.",
        "New names in the invite, no idea what their role is.",
        "A consultant introduced himself, apparently now part of the team.",
        "Unknown attendees from another department sat in.",
    ),
    "junior_only": (
        "Only the trainee dialled in.",
        "The managers cancelled, we spoke to the working student.",
        "Just the analyst this time, without a mandate.",
        "Seniors sent apologies; the most junior person took notes.",
    ),
}

NEUTRAL: tuple[str, ...] = (
    "Went through the open points.",
    "Short catch-up, nothing new.",
    "Talked about timelines and next steps.",
    "Shared the recording and the slides.",
    "They will come back after their internal meeting.",
    "Answered the questions from last time.",
    "Good atmosphere, some small talk about the trade fair.",
    "We are not looking at anybody else, they said.",
    "No objections this time.",
    "Nobody asked for a reference so far.",
    "The date of the summer party is fixed.",
    "Parking was a nightmare, otherwise fine.",
    "Discussed the integration with their directory.",
    "Left a voicemail.",
    "Sent the updated deck as asked.",
    "Need to loop in our solution architect.",
)

OPENERS: tuple[str, ...] = (
    "", "", "Hi, ", "Note: ", "Summary of today: ", "Quick update. ", "Minutes: ", "fyi - ",
    "Spoke with the team. ", "From the call: ",
)  # fmt: skip

CLOSERS: tuple[str, ...] = (
    "", "", "", " Next step: follow up.", " Will send minutes.", " More next week.", " To be continued.",
    " Thanks!", " Best regards", " tbc",
)  # fmt: skip

SUBJECTS: dict[str, tuple[str, ...]] = {
    "meeting": ("Project meeting", "Steering meeting", "Jour fixe", "Alignment", "Review meeting"),
    "call": ("Call", "Phone call", "Quick call", "Catch-up"),
    "email": ("Re: our conversation", "Follow-up", "Your questions", "Documents", "Fwd: next steps"),
    "demo": ("Product demo", "Live demo", "Demonstration for the team"),
    "workshop": ("Workshop", "Requirements workshop", "Design session"),
    "event": ("Trade fair", "Customer day"),
    "other": ("Task", "Note to file", "Preparation"),
}

FEATURE_CODES = ("promised", "rescheduled", "delivered", "withdrawn", "beta_or_launch_partner")
"""The signals whose `{}` is a product feature; in the others it is a competitor."""
