// Find, order and choose among the cards of a page. Without this script the page shows all of them, as given.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const list = $("cards"), find = $("find"), order = $("order"), verdict = $("verdict"), count = $("count");
  const cards = [...list.children].map((element) => ({
    element,
    number: Number(element.dataset.number),
    value: "value" in element.dataset ? Number(element.dataset.value) : -Infinity, // what the order is by
    verdict: element.dataset.verdict || "",
    // The caption, the other sentences and the file name; people's references are left out: they would drown the model's words.
    text: (element.dataset.find || [...element.querySelectorAll(".caption, .name, ol")].map((part) => part.textContent).join(" ")).toLowerCase(),
  }));
  const orders = {
    given: (a, b) => a.number - b.number,
    best: (a, b) => b.value - a.value || a.number - b.number,
    worst: (a, b) => a.value - b.value || a.number - b.number,
  };

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const visible = words.every((word) => card.text.includes(word)) && (!verdict || !verdict.value || verdict.value === card.verdict);
      card.element.hidden = !visible;
      shown += visible;
    }
    const pictures = cards.length === 1 ? "picture" : "pictures";
    count.textContent = shown === cards.length ? `${shown} ${pictures}` : `${shown} of ${cards.length} ${pictures}`;
    $("nothing").hidden = shown > 0;
  }

  function sort() {
    list.append(...cards.sort(orders[order.value]).map((card) => card.element));
  }

  let pending = 0;
  find.addEventListener("input", () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(filter);
  });
  order.addEventListener("change", sort);
  if (verdict) verdict.addEventListener("change", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && document.activeElement === find) {
      find.value = "";
      filter();
    }
  });
  if (order.value !== "given") sort(); // the browser restores fields when a page is reloaded
  filter();
})();
