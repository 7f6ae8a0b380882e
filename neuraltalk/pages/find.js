// The search of a page: "/" goes to its field, Escape empties it, and what is typed counts once a frame.
"use strict";
const Find = (() => {
  // attach(update) -> the field; update is called when its words have changed
  function attach(update) {
    const field = document.getElementById("find");
    let waiting = 0;
    field.addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(update);
    });
    document.getElementById("toolbar").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches("input, select, textarea")) {
        event.preventDefault();
        field.focus();
      } else if (event.key === "Escape" && document.activeElement === field) {
        field.value = "";
        update();
      }
    });
    return field;
  }
  return { attach };
})();
