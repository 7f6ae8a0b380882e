// Words and boxes point at each other: whichever is touched, hovered or focused, the box and all its words light up.
"use strict";
(() => {
  const list = document.getElementById("cards"), all = document.getElementById("all-boxes");
  let lit = null; // the card that is lit

  function light(part) {
    const card = part && part.closest(".card"), region = part && part.dataset.region;
    if (lit && lit !== card) dim(lit);
    lit = card;
    if (!card) return;
    card.classList.add("lit");
    for (const other of card.querySelectorAll("[data-region]")) other.classList.toggle("on", other.dataset.region === region);
  }

  function dim(card) {
    card.classList.remove("lit");
    for (const part of card.querySelectorAll(".on")) part.classList.remove("on");
  }

  const part = (event) => event.target.closest && event.target.closest("[data-region]");
  const focused = () => (document.activeElement.matches("[data-region]:focus-visible") ? document.activeElement : null);
  list.addEventListener("pointerover", (event) => light(part(event) || focused()));
  list.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && light(focused())); // a lifted finger leaves its mark
  list.addEventListener("focusin", (event) => part(event) && light(part(event)));
  list.addEventListener("focusout", (event) => event.relatedTarget || light(null));
  list.addEventListener("click", (event) => light(part(event)));

  // A card's words, or sentences, are one stop of the tab key; within it, arrows.
  const STOPS = "button.word, li[data-region]";
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape") light(null);
    if (!event.target.matches(STOPS) || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = [...event.target.closest(".card").querySelectorAll(STOPS)], place = row.indexOf(event.target);
    const lines = event.target.matches("li"), leftwards = getComputedStyle(event.target.parentElement).direction === "rtl";
    const [onward, back] = lines ? ["ArrowDown", "ArrowUp"] : leftwards ? ["ArrowLeft", "ArrowRight"] : ["ArrowRight", "ArrowLeft"];
    const next = { [onward]: place + 1, [back]: place - 1, Home: 0, End: row.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (!row[next]) return;
    event.target.tabIndex = -1;
    row[next].tabIndex = 0;
    row[next].focus();
  });

  if (!all) return; // a page without hidden boxes
  const toggle = () => list.classList.toggle("all", all.checked);
  all.addEventListener("change", toggle);
  toggle(); // the browser restores fields when a page is reloaded
})();
