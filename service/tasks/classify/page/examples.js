// Example texts, written for this page.

// A set suits models that have one of its labels; a set without labels suits any model.
const TEXTS = [
  {
    name: "Messages",
    labels: ["spam"],
    texts: [
      "WINNER!! 😃 claim your prize today",
      "running late, see you at 8 😊",
      "Your free ticket is waiting, call 09050 000 123",
    ],
  },
  {
    name: "Sentiment",
    labels: ["positive", "negative"],
    texts: [
      "Best concert of my life, still smiling 😍",
      "Third train cancelled this week. I am so tired of this.",
      "The shop opens at nine on Monday.",
      "Not bad at all, I expected worse",
    ],
  },
  {
    name: "Everyday sentences",
    labels: [],
    texts: ["Thanks, that was quick and friendly.", "The invoice from March is still open.", "Where can I change my address?"],
  },
];

export const textsFor = (labels) => TEXTS.filter((set) => set.labels.length === 0 || set.labels.some((label) => labels.includes(label)));
