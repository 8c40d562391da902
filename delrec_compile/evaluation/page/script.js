"use strict";
// one step of time across all plots of a figure: by the slider, or by pointing at a plot
for (const figure of document.querySelectorAll(".plots")) {
  const player = figure.querySelector(".player");
  const cursors = figure.querySelectorAll(".cursor");
  if (!cursors.length) continue;
  const steps = Number(figure.style.getPropertyValue("--steps"));
  const slider = player && player.querySelector("input");
  const lines = player ? JSON.parse(player.querySelector("script").textContent) : [];
  const show = (step) => {
    figure.style.setProperty("--at", step);
    cursors.forEach((cursor) => { cursor.hidden = false; });
    if (!slider) return;
    slider.value = step;
    slider.setAttribute("aria-valuetext", lines[step]);
    player.querySelector("output").textContent = lines[step];
  };
  if (player) {
    player.hidden = false;
    slider.addEventListener("input", () => show(Number(slider.value)));
    show(0);
  }
  for (const area of figure.querySelectorAll(".shared .area")) {
    area.addEventListener("pointermove", (event) => {
      const box = area.getBoundingClientRect();
      const step = Math.floor(((event.clientX - box.left) / box.width) * steps);
      show(Math.min(Math.max(step, 0), steps - 1));
    });
  }
}
// folded tables are printed too
const folded = () => document.querySelectorAll("details:not([open])");
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...folded()];
  opened.forEach((each) => { each.open = true; });
});
window.addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
