// Before the first paint, so that a chosen theme never flashes; src/theme.ts does the rest.
try {
  const theme = localStorage.getItem("lexigraft.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's preference decides.
}
