// The panel of vowel counters: a text in, a number out.

import { post } from "../api.js";
import { byId, counted } from "../element.js";
import { options } from "../models.js";
import { showRequest } from "../snippets.js";

export const describe = ({ max_characters: maxCharacters }) => `reads ${counted(maxCharacters, "character")}`;

export const facts = ({ max_characters: maxCharacters }) => [["window", counted(maxCharacters, "character")]];

export function start() {
  byId("vowels-model").append(...options("vowels"));
  byId("vowels-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { model: byId("vowels-model").value, inputs: [byId("vowels-text").value] };
    showRequest("vowels", "vowels", body);
    const { answer } = await post("vowels", body);
    byId("vowels-status").textContent = counted(Math.round(answer.counts[0]), "vowel");
  });
}
