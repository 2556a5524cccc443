// The map: its filters, what is shown of an item that is pointed at, and of one that is chosen.
const map = JSON.parse(document.getElementById("map-data").textContent);
const part = (name) => document.getElementById(`map-${name}`);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function look(number, name, className, size) {
  if (number === null) {
    return element("span", "number", name);
  }
  if (map.texts !== null) {
    return element("q", "text", map.texts[number]);
  }
  const picture = element("span", `picture ${size}`);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `${name}, ${className}`);
  picture.style.setProperty("--column", number % map.columns);
  picture.style.setProperty("--row", Math.floor(number / map.columns));
  return picture;
}

// A point is known by its place in the arrays, an item by its number in the evaluation.
function describe(point, mostNeighbours) {
  const name = `item ${map.items[point]}`;
  const [truth, predicted] = [map.truth, map.predicted].map((numbers) => map.classes[numbers[point]]);
  const verdict = truth === predicted ? "right" : `taken for ${predicted}`;
  const words = element("p", "", element("span", "class", `${name}, ${truth}`), element("br", ""),
    `${verdict}, share ${map.shares[point].toFixed(2)}`);
  const list = element("ol", "neighbours");
  list.setAttribute("aria-label", `Nearest codes of ${name}, best first`);
  map.neighbours[point].slice(0, mostNeighbours).forEach((code, place) => {
    const className = map.classes[map.neighbourClasses[point][place]];
    list.append(element("li", className === truth ? "agrees" : "differs",
      look(map.neighbourLooks[point][place], `${map.codes} ${code}`, className, "small"),
      element("span", "class", className),
      element("span", "value", map.similarities[point][place].toFixed(4))));
  });
  return [element("div", "item", look(map.looks[point], name, truth, "large"), words), list];
}

function choose(point) {
  part("number").value = map.items[point];
  part("item").replaceChildren(...describe(point, Infinity));
}

function chooseByNumber(event) {
  event.preventDefault();
  const point = map.items.indexOf(Number(part("number").value));
  if (point < 0) {
    part("item").replaceChildren(`Item ${part("number").value} is not on the map.`);
  } else {
    choose(point);
  }
}

function filter() {
  const wanted = (name) => (part(name).value === "" ? null : Number(part(name).value));
  const [truth, predicted, wrong] = [wanted("truth"), wanted("predicted"), part("wrong").checked];
  const shown = map.items.map((_, point) => (truth === null || map.truth[point] === truth)
    && (predicted === null || map.predicted[point] === predicted)
    && (!wrong || map.truth[point] !== map.predicted[point]));
  drawn["map-figure"].get_model_by_name("map-filter").booleans = shown;
  const count = shown.filter(Boolean).length;
  part("count").textContent = `${count.toLocaleString("en")} ${count === 1 ? "item" : "items"}`;
  part("tip").hidden = true;
}

function showTip(point, x, y) {
  const tip = part("tip");
  tip.replaceChildren(...describe(point, 3));
  tip.hidden = false;
  const inside = (at, size, all) => Math.max(4, Math.min(at + 16, all - size - 4));
  tip.style.left = `${inside(x, tip.offsetWidth, window.innerWidth)}px`;
  tip.style.top = y + tip.offsetHeight + 20 > window.innerHeight ? `${Math.max(4, y - tip.offsetHeight - 16)}px` : `${y + 16}px`;
}

function showPair(button) {
  part("truth").value = button.dataset.truth;
  part("predicted").value = button.dataset.predicted;
  part("wrong").checked = false;
  filter();
  document.getElementById("map").scrollIntoView();
  part("truth").focus({ preventScroll: true });
}

ready.then(() => {
  const points = drawn["map-figure"].get_model_by_name("map-points");
  const pointer = { x: 0, y: 0 };
  part("figure").addEventListener("pointermove", (event) => Object.assign(pointer, { x: event.clientX, y: event.clientY }), true);
  part("figure").addEventListener("pointerleave", () => { part("tip").hidden = true; });
  points.inspect.connect(() => {
    const [point] = points.inspected.indices.slice(-1);
    if (point === undefined) {
      part("tip").hidden = true;
    } else {
      showTip(point, pointer.x, pointer.y);
    }
  });
  points.selected.properties.indices.change.connect(() => {
    const [point] = points.selected.indices.slice(-1);
    if (point !== undefined) {
      choose(point);
    }
  });
  part("filter").addEventListener("change", filter);
  part("filter").addEventListener("reset", () => setTimeout(filter));
  part("filter").addEventListener("submit", (event) => event.preventDefault());
  part("chooser").addEventListener("submit", chooseByNumber);
  for (const button of document.querySelectorAll("button[data-truth]")) {
    button.addEventListener("click", () => showPair(button));
  }
  choose(map.items.length - 1);
});
