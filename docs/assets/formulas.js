// Typeset what pymdownx.arithmatex marked. KaTeX stands beside this file: nothing comes from another host.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const [, open, tex] = element.textContent.trim().match(/^(\\\(|\\\[)([^]*)\\[)\]]$/);
    try {
      katex.render(tex, element, { displayMode: open === "\\[" });
    } catch (error) {
      console.error(error.message); // the other formulas are shown all the same
    }
  }
});
