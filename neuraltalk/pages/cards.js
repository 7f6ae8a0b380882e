// Find, order and choose among the cards of a page. What each carries is told in toolbar.py.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const list = $("cards"), find = $("find"), order = $("order"), side = $("side"), verdict = $("verdict"), count = $("count");
  const cards = [...list.children].map((element) => ({
    element,
    number: Number(element.dataset.number),
    values: JSON.parse(element.dataset.values),
    verdicts: JSON.parse(element.dataset.verdicts || "[]"),
    differ: "differ" in element.dataset,
    // Sentences and file name; people's references are left out: they would drown the model's words.
    text: plain(element.dataset.find || [...element.querySelectorAll(".caption, .name, ol li")].map((part) => part.textContent).join(" ")),
  }));

  function plain(text) {
    return text.normalize("NFC").toLowerCase();
  }

  // A word is found by its beginning, "man" not in "woman"; in scripts that don't set words apart, anywhere.
  function finder(word) {
    const start = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Arabic}\p{N}]/u.test(word);
    return new RegExp((start ? "(?:^|[^\\p{L}\\p{N}\\p{M}])" : "") + word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&").replace(/\\-/g, "\\x2d"), "u");
  }

  // One side of the card, or "0 1": how much the first is above the other.
  const sides = () => (side ? side.value.split(" ").map(Number) : [0]);

  function filter() {
    const words = plain(find.value).split(/\s+/).filter(Boolean).map(finder), wanted = verdict ? verdict.value : "", [mine] = sides();
    let shown = 0;
    for (const card of cards) {
      const right = wanted === "" || (wanted === "differ" ? card.differ : card.verdicts[mine] === Number(wanted));
      const visible = right && words.every((word) => word.test(card.text));
      if (card.element.hidden === visible) card.element.hidden = !visible;
      shown += visible;
    }
    const all = cards.length.toLocaleString("en"), pictures = cards.length === 1 ? "picture" : "pictures";
    count.textContent = shown === cards.length ? `${all} ${pictures}` : `${shown.toLocaleString("en")} of ${all} ${pictures}`;
    $("nothing").hidden = shown > 0;
  }

  function sort() {
    const [measure, way] = order.value.split(" "), [first, second] = sides(), sign = way === "up" ? 1 : -1;
    const value = (card) => {
      const own = card.values[first][measure], other = second === undefined ? 0 : card.values[second][measure];
      return own == null || other == null ? null : own - other;
    };
    const keyed = cards.map((card) => ({ card, key: order.value ? value(card) : 0 }));
    // What has no value comes last either way.
    keyed.sort((a, b) => (a.key === null) - (b.key === null) || sign * (a.key - b.key) || a.card.number - b.card.number);
    list.append(...keyed.map((entry) => entry.card.element));
  }

  let pending = 0;
  find.addEventListener("input", () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(filter);
  });
  order.addEventListener("change", sort);
  if (verdict) verdict.addEventListener("change", filter);
  if (side) side.addEventListener("change", () => (sort(), filter()));
  $("toolbar").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches("input, select, textarea")) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && document.activeElement === find) {
      find.value = "";
      filter();
    }
  });
  if (order.value) sort(); // the browser restores fields when a page is reloaded
  filter();
})();
