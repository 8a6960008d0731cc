// What the demos share. The kernel decides what pictures hold; scripts here only place them.

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  made.setAttribute("data-lm-suppress-shortcuts", "true"); // or JupyterLab takes the arrow keys for its own
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function field(label, control) {
  return element("label", { class: "sr-field" }, label, control);
}

function choice(label, options, value, change) {
  const select = element("select", { "aria-label": label, onchange: () => change(select.value) });
  for (const one of options) select.append(element("option", { value: one.value }, one.text));
  select.value = value;
  return select;
}

// A button that gives one file to `take(name, ArrayBuffer)`; what is larger than `most` bytes is never read.
function uploader(most, take, say) {
  const input = element("input", { type: "file", accept: "image/*,.tif,.tiff,.ppm", style: "display:none" });
  const read = async (file) => {
    if (!file) return;
    if (file.size > most) {
      say(`${file.name}: has ${(file.size / 2 ** 20).toFixed(1)} MiB, and at most ${most / 2 ** 20} MiB are taken; make it smaller`, true);
      return;
    }
    say(`reading ${file.name} …`);
    take(file.name, await file.arrayBuffer());
  };
  input.addEventListener("change", () => { read(input.files[0]); input.value = ""; });
  const button = element("button", { class: "sr-button", type: "button", onclick: () => input.click() }, "Your own …");
  return { button: element("span", {}, button, input), read };
}

// The uploaded picture becomes the choice. Returns its value.
function owned(select, name) {
  select.querySelector("option[value='@own']")?.remove();
  select.append(element("option", { value: "@own" }, name));
  return (select.value = "@own");
}

// Files dropped on an element go to the same place.
function droppable(target, read) {
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("drop", (event) => { event.preventDefault(); read(event.dataTransfer.files[0]); });
}

// RGB bytes -> a canvas of that size.
function painted(view, rows, columns) {
  const bytes = new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, rows * columns * 3);
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0, k = 0; i < pixels.length; i++, k += 3)
    pixels[i] = bytes[k] | (bytes[k + 1] << 8) | (bytes[k + 2] << 16) | 0xff000000;
  context.putImageData(image, 0, 0);
  return canvas;
}

// A handle over `view` that moves a wipe between 0 and 1; by pointer, and by the arrow keys.
function wipeHandle(view, changed) {
  const handle = element("button", { class: "sr-wipe", type: "button", role: "slider", "aria-label": "wipe between the two methods", "aria-valuemin": 0, "aria-valuemax": 100 });
  const state = { at: 0.5 };
  const set = (at) => {
    state.at = Math.min(1, Math.max(0, at));
    handle.style.left = `${100 * state.at}%`;
    handle.setAttribute("aria-valuenow", Math.round(100 * state.at));
    changed(state.at);
  };
  handle.addEventListener("pointerdown", (event) => { event.stopPropagation(); event.preventDefault(); handle.focus(); handle.setPointerCapture(event.pointerId); });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = view.getBoundingClientRect();
    set((event.clientX - box.left) / box.width);
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (step) { event.preventDefault(); event.stopPropagation(); set(state.at + step); }
  });
  return { handle, set, state };
}

// Says so when no answer comes: the kernel has ended, or a long computation is under way.
function patience(say) {
  let timer = 0, gave = false;
  return {
    asked() {
      clearTimeout(timer);
      timer = setTimeout(() => { gave = true; say("No answer yet. If this stays, the program behind the page has ended: reload the page, or run the cell again.", true); }, 30000);
    },
    heard() {
      clearTimeout(timer);
      if (gave) say("");
      gave = false;
    },
  };
}

function short(n) {
  for (const [top, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (n >= top) return `${(n / top).toPrecision(3)} ${unit}`;
  return `${n} `;
}

