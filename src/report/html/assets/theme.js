// Light, dark, or as the system says. The choice is kept where the browser lets a page keep one.

const THEMES = ["auto", "light", "dark"];

function startTheme() {
  const button = byId("theme");
  let theme = "auto";
  try {
    theme = localStorage.getItem("ablate-theme") ?? "auto";
  } catch {
    // A file may not be allowed to remember anything.
  }
  const use = (name) => {
    theme = THEMES.includes(name) ? name : "auto";
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  use(theme);
  button.addEventListener("click", () => {
    use(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
    try {
      localStorage.setItem("ablate-theme", theme);
    } catch {
      // As above.
    }
  });
}
