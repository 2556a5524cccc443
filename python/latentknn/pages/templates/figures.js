"use strict";

// Bokeh draws on canvases, which know no style sheets: their colours follow the page's by this function.
function paint(document) {
  const style = getComputedStyle(window.document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  for (const plot of document.roots()) {
    for (const axis of [...plot.below, ...plot.left]) {
      axis.setv({ axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: line,
        major_tick_line_color: line, minor_tick_line_color: line });
    }
    for (const grid of plot.center) {
      grid.setv({ grid_line_color: line });
    }
  }
  document.get_model_by_name("map-glyphs")?.glyph.setv({ line_color: ink });
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const drawn = {};
const figures = JSON.parse(document.getElementById("figures").textContent);
const ready = Promise.all(Object.entries(figures).map(async ([name, figure]) => {
  const views = await Bokeh.embed.embed_item(figure, name);
  drawn[name] = views.roots[0].model.document;
  paint(drawn[name]);
}));
dark.addEventListener("change", () => Object.values(drawn).forEach(paint));
