// The theme chosen last, before anything is painted; without a choice the system's, and as it changes. Not a module:
// modules wait.
const system = matchMedia("(prefers-color-scheme: dark)");

function chosenLast() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // a browser that keeps nothing
  }
}

function setTheme() {
  const chosen = chosenLast();
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

setTheme();
system.addEventListener("change", setTheme);
