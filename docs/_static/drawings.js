// Draws what `<pre class="mermaid">` holds, in the colours of the page.
if (window.mermaid) {
  const chosen = document.body.dataset.theme;
  const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  mermaid.initialize({ startOnLoad: true, theme: isDark ? "dark" : "neutral" });
}
