// Find, order and choose among the cards of a page. Where they come from is told in cards.py.
"use strict";
(() => {
  const BATCH = 60; // cards to add at a time
  const $ = (id) => document.getElementById(id);
  const list = $("cards"), find = Find.attach(update), order = $("order"), side = $("side"), verdict = $("verdict"), more = $("more");
  const rest = list.querySelector("noscript"), first = [...list.querySelectorAll(":scope > .card")];
  const lines = rest ? rest.textContent.trim().split("\n") : [];
  const cards = JSON.parse($("known").textContent).map((known, number) => ({ ...known, text: plain(known.text), number, element: first[number] }));
  let chosen = cards, shown = first.length; // the cards that fit, in their order, and how many of them are on the page

  function plain(text) {
    return text.normalize("NFC").toLowerCase();
  }

  // A word is found by its beginning, "man" not in "woman"; in scripts that don't set words apart, anywhere.
  function finder(word) {
    const apart = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Arabic}\p{N}]/u.test(word);
    return new RegExp((apart ? "(?:^|[^\\p{L}\\p{N}\\p{M}])" : "") + word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "u");
  }

  function elementOf(card) {
    if (!card.element) {
      const template = document.createElement("template");
      template.innerHTML = lines[card.number - first.length];
      card.element = template.content.firstElementChild;
    }
    return card.element;
  }

  function add(count) {
    list.append(...chosen.slice(shown, shown + count).map(elementOf));
    shown = Math.min(shown + count, chosen.length);
    more.hidden = shown === chosen.length;
    scrolled.unobserve(more);
    scrolled.observe(more); // to be told again, though it may not have left the window's neighbourhood
    more.textContent = `Show more (${shown.toLocaleString("en")} of ${chosen.length.toLocaleString("en")} are here)`;
  }

  // Who scrolls needs no button.
  const scrolled = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && add(BATCH), { rootMargin: "1500px" });

  // One side of the card, or two: how much the first is above the second.
  const sides = () => (side ? side.value.split(" ").map(Number) : [0]);

  function choose() {
    const words = plain(find.value).split(/\s+/).filter(Boolean).map(finder), wanted = verdict ? verdict.value : "";
    const fits = (card) => wanted === "" || (wanted === "differ" ? card.differ : card.verdicts[sides()[0]] === Number(wanted));
    return cards.filter((card) => fits(card) && words.every((word) => word.test(card.text)));
  }

  function sort(some) {
    if (!order.value) return some;
    const [measure, way] = order.value.split(" "), [one, other] = sides(), sign = way === "up" ? 1 : -1;
    const value = ({ values }) => {
      const pair = [values[one][measure], other === undefined ? 0 : values[other][measure]];
      return pair.includes(null) ? null : pair[0] - pair[1];
    };
    const keyed = some.map((card) => ({ card, key: value(card) }));
    keyed.sort((a, b) => (a.key === null) - (b.key === null) || sign * (a.key - b.key)); // the unknown come last either way
    return keyed.map(({ card }) => card);
  }

  function update() {
    chosen = sort(choose());
    shown = 0;
    list.replaceChildren();
    add(BATCH);
    if (list.getBoundingClientRect().top < 0) list.scrollIntoView();
    const all = cards.length.toLocaleString("en"), pictures = cards.length === 1 ? "picture" : "pictures";
    $("count").textContent = chosen.length === cards.length ? `${all} ${pictures}` : `${chosen.length.toLocaleString("en")} of ${all} ${pictures}`;
    $("nothing").hidden = chosen.length > 0;
  }

  // A link to a card that isn't on the page yet brings it there.
  function follow() {
    const id = location.hash.slice(1), line = /^p\d+$/.test(id) ? lines.findIndex((text) => text.includes(` id="${id}"`)) : -1;
    const place = line < 0 ? -1 : chosen.indexOf(cards[first.length + line]);
    if (place < shown) return;
    add(place + 1 - shown);
    location.replace(location.hash); // once more, now that it is there
    const { element } = chosen[place];
    let frames = 5; // and until the cards above it have their heights
    const settle = () => {
      element.scrollIntoView();
      if (--frames) requestAnimationFrame(settle);
    };
    settle();
  }

  for (const field of [order, side, verdict]) if (field) field.addEventListener("change", update);
  more.addEventListener("click", () => {
    const next = chosen[shown];
    add(BATCH);
    elementOf(next).tabIndex = -1; // the reader goes on at the first of those that came
    next.element.focus({ preventScroll: true });
  });
  addEventListener("beforeprint", () => add(cards.length));
  addEventListener("hashchange", follow);
  add(0);
  if (find.value || order.value || (verdict && verdict.value)) update(); // the browser restores fields when a page is reloaded
  addEventListener("load", follow);
})();
