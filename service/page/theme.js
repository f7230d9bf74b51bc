// The theme chosen last, before anything is painted; without a choice the system's. Not a module: modules wait.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
