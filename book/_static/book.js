// The book's one script: a table that sorts and filters, and pictures that move under mouse, finger and keyboard.
"use strict";

const all = (root, selector) => [...root.querySelectorAll(selector)];

// Tables: a press on a head sorts, a choice leaves rows out.
function board(root) {
  const table = root.querySelector("table"), body = table.tBodies[0], rows = [...body.rows];
  const heads = all(table, "thead th"), form = root.querySelector("form"), output = form.querySelector("output");
  const text = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent.trim();
  const value = (row, i) => {
    const told = text(row, i), number = Number(told);
    return told === "" || told === "–" ? null : Number.isNaN(number) ? told : number;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  heads.forEach((head, i) =>
    head.querySelector("button").addEventListener("click", () => {
      const first = head.classList.contains("n") && head.dataset.key !== "scale" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const way = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.setAttribute("aria-sort", one === head ? way : "none"));
      const sign = way === "ascending" ? 1 : -1;
      rows.sort((p, q) => {
        const a = value(p, i), b = value(q, i);
        if (a === null || b === null) return (a === null) - (b === null); // what is empty stays below
        return sign * order(a, b);
      });
      body.append(...rows);
    })
  );
  const columns = Object.fromEntries(heads.map((head, i) => [head.dataset.key, i]));
  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !all(form, "[data-key]").every((field) => {
        if (field.value === "") return true;
        if (field.dataset.key === "any") return row.textContent.toLowerCase().includes(field.value.toLowerCase());
        return text(row, columns[field.dataset.key]) === field.value;
      });
      shown += !row.hidden;
    }
    output.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
}

const told = (root) => JSON.parse(root.querySelector("script.pictures").textContent);
const chosen = (root, key) => root.querySelector(`form [data-key="${key}"]`);
const named = (picture, image) => `Part of the photograph ${image}, ${picture.label}, ×4`;
const score = (picture) => picture.label + (picture.psnr ? ` ${picture.psnr}` : "");

// Wipe: a range over the picture moves the edge, so that mouse, finger and arrow keys all work.
function wipe(root) {
  const pictures = told(root), frame = root.querySelector(".frame"), range = frame.querySelector("input");
  const over = frame.querySelector(".over"), under = frame.querySelector(".under");
  const only = Object.keys(pictures)[0];
  const show = () => {
    const image = chosen(root, "image")?.value ?? only;
    const find = (key) => pictures[image].find((one) => one.label === chosen(root, key).value);
    const [left, right] = [find("left"), find("right")];
    frame.style.setProperty("--at", `${range.value}%`);
    root.style.setProperty("--ratio", `${left.width}/${left.height}`);
    for (const [img, picture] of [[over, left], [under, right]]) {
      if (img.getAttribute("src") !== picture.file) img.src = picture.file;
      img.alt = named(picture, image);
    }
    range.setAttribute("aria-valuetext", `${range.value} % ${left.label}, ${100 - range.value} % ${right.label}`);
    root.querySelector(".of-left").textContent = `◂ ${score(left)}`;
    root.querySelector(".of-right").textContent = `${score(right)} ▸`;
  };
  root.addEventListener("input", show);
  show();
}

// Lens: a frame on one picture, the same place magnified in all of them.
function lens(root) {
  const pictures = told(root), frame = root.querySelector(".frame"), glass = root.querySelector(".glass");
  const base = frame.querySelector("img"), x = chosen(root, "x"), y = chosen(root, "y"), tiles = all(root, ".tile");
  const PART = 0.16; // of the picture's width
  const show = () => {
    const image = chosen(root, "image").value, list = pictures[image];
    const first = list.find((one) => one.label === "Bicubic") ?? list[0];
    if (base.getAttribute("src") !== first.file) base.src = first.file;
    base.alt = named(first, image);
    root.style.setProperty("--ratio", `${first.width}/${first.height}`);
    const high = (PART * first.width) / first.height; // the lens is a square
    const left = (x.value / 100) * (1 - PART), top = (y.value / 100) * (1 - high);
    Object.assign(glass.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * PART}%`, height: `${100 * high}%` });
    tiles.forEach((tile, i) => {
      const picture = list[i];
      tile.parentElement.hidden = !picture;
      if (!picture) return;
      const side = tile.clientWidth, width = side / PART, height = (width * picture.height) / picture.width;
      tile.style.backgroundImage = `url("${picture.file}")`;
      tile.style.backgroundSize = `${width}px ${height}px`;
      tile.style.backgroundPosition = `${-left * width}px ${-top * height}px`;
      tile.setAttribute("aria-label", `${named(picture, image)}, magnified`);
      tile.parentElement.querySelector(".name").textContent = score(picture);
    });
  };
  const move = (event) => {
    const box = frame.getBoundingClientRect(), high = (PART * box.width) / box.height;
    const part = (place, size) => Math.min(100, Math.max(0, (100 * (place - size / 2)) / (1 - size)));
    x.value = part((event.clientX - box.left) / box.width, PART);
    y.value = part((event.clientY - box.top) / box.height, high);
    show();
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    move(event);
  });
  frame.addEventListener("pointermove", (event) => event.buttons && move(event));
  root.addEventListener("input", show);
  window.addEventListener("resize", show);
  base.draggable = false;
  show();
}

// Strip: one patch at the scale that a slider says.
function strip(root) {
  const { scales, files } = told(root), range = chosen(root, "scale"), output = root.querySelector("output");
  const show = () => {
    const scale = scales[range.value];
    output.textContent = `×${scale}`;
    range.setAttribute("aria-valuetext", `×${scale}`);
    for (const figure of all(root, "figure")) {
      const made = files[figure.dataset.model][String(scale)], img = figure.querySelector("img");
      img.src = made.file;
      img.alt = `The patch by ${figure.dataset.model} at ×${scale}`;
      figure.querySelector(".size").textContent = made.size;
    }
  };
  range.addEventListener("input", show);
  show();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const [name, start] of Object.entries({ ".board": board, ".wipe": wipe, ".lens": lens, ".strip": strip })) {
    all(document, name).forEach(start);
  }
});
