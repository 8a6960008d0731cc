// Deep zoom: a map of one image. The view is a centre in LR pixels and a scale in screen pixels per LR pixel; the kernel is asked
// for exactly these screen pixels, and what it has sent before is moved along until they come.

function render({ model, el }) {
  const { models, images, side, largest, upload } = model.get("options");
  const view = { scale: 1, centre: [0, 0], methods: [models[0].name, (models[1] ?? models[0]).name] };
  let image = null; // {name, size, most, base}
  let frames = {}; // method -> newest frames, drawn in this order
  let told = {}; // method -> {seconds, macs, seq}
  let seq = 0, fresh = true, waiting = false, started = {};
  const times = []; // {seq, first, sharp}: milliseconds from the gesture to the picture

  const canvas = element("canvas", { class: "sr-map", tabindex: 0, role: "img", "aria-label": "the image: drag to move, scroll or pinch to zoom, arrow keys, + and −" });
  const box = element("div", { class: "sr-view", style: `width:min(100%, ${side}px); aspect-ratio:1` }, canvas);
  const read = element("div", { class: "sr-read" });
  const line = element("div", { class: "sr-said", role: "status" });
  const labels = [element("span", { class: "sr-label left" }), element("span", { class: "sr-label right" })];
  const wipe = wipeHandle(box, () => draw());
  box.append(...labels, wipe.handle);

  const say = (text, wrong = false) => { line.textContent = text; line.classList.toggle("wrong", wrong); };
  const load = uploader(upload, (name, bytes) => model.send({ kind: "upload", name }, undefined, [bytes]), say);
  droppable(box, load.read);
  const wait = patience(say);
  const pick = choice("image", images.map((name) => ({ value: name, text: name })), images[0], (name) => model.send({ kind: "image", name }));
  const named = models.map((one) => ({ value: one.name, text: one.label }));
  const methods = [0, 1].map((i) => choice(i ? "right" : "left", named, view.methods[i], (name) => { view.methods[i] = name; title(); ask(); }));
  const whole = element("button", { class: "sr-button", type: "button", onclick: () => { fit(); ask(); } }, "Whole image");
  const bar = element("div", { class: "sr-bar" }, field("image", pick), load.button, field("left", methods[0]), field("right", methods[1]), whole);
  const hint = element("div", { class: "sr-hint" }, "Drag to move. Scroll, pinch or press + and − to zoom. The white line wipes between the two methods.");
  const root = element("div", { class: "sr-demo sr-deep-zoom" }, bar, hint, box, read, line);
  el.replaceChildren(root);

  const of = (name) => models.find((one) => one.name === name);
  function title() {
    labels.forEach((label, i) => {
      const one = of(view.methods[i]);
      label.textContent = one.label;
      label.style.borderColor = one.colour;
    });
  }

  function least() {
    const [h, w] = image.size;
    return Math.min(1, canvas.height / h, canvas.width / w);
  }

  function fit() {
    const [h, w] = image.size;
    view.scale = Math.min(canvas.height / h, canvas.width / w);
    view.centre = [h / 2, w / 2];
  }

  function clamp() {
    const [h, w] = image.size;
    view.scale = Math.min(image.most, Math.max(least(), view.scale));
    [h, w].forEach((n, i) => {
      const half = Math.min(n, (i ? canvas.width : canvas.height) / view.scale) / 2;
      view.centre[i] = Math.min(n - half, Math.max(half, view.centre[i]));
    });
  }

  // Draw now what there is; ask for what there should be, once a screen frame at most.
  function ask() {
    if (!image) return;
    clamp();
    draw();
    if (waiting) return;
    waiting = true;
    const gesture = performance.now();
    requestAnimationFrame(() => {
      waiting = false;
      seq += 1;
      started = { seq, gesture };
      wait.asked();
      model.send({ kind: "view", seq, scale: view.scale, centre: view.centre, rows: canvas.height, columns: canvas.width, methods: view.methods });
      readout();
    });
  }

  function draw() {
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.fillStyle = "#d0d7de";
    context.fillRect(0, 0, width, height);
    if (!image) return;
    const at = (y, x) => [(x - view.centre[1]) * view.scale + width / 2, (y - view.centre[0]) * view.scale + height / 2];
    const place = (picture, [top, left, bottom, right], exact) => {
      const [x0, y0] = at(top, left), [x1, y1] = at(bottom, right);
      const own = exact && Math.abs(x1 - x0 - picture.width) < 1 && Math.abs(y1 - y0 - picture.height) < 1;
      context.imageSmoothingEnabled = !own;
      const snap = (x, length, whole) => (Math.abs(x) < 1 && length === whole ? 0 : Math.round(x)); // of a full view no edge is bare
      if (own) context.drawImage(picture, snap(x0, picture.width, width), snap(y0, picture.height, height));
      else context.drawImage(picture, x0, y0, x1 - x0, y1 - y0);
    };
    const two = view.methods[0] !== view.methods[1];
    wipe.handle.style.display = labels[1].style.display = two ? "" : "none";
    const line = two ? Math.round(wipe.state.at * width) : width;
    place(image.base, [0, 0, ...image.size], false);
    view.methods.slice(0, two ? 2 : 1).forEach((name, i) => {
      context.save();
      context.beginPath();
      context.rect(i ? line : 0, 0, i ? width - line : line, height);
      context.clip();
      for (const frame of frames[name] ?? []) place(frame.picture, frame.box, frame.stage === "sharp");
      context.restore();
    });
  }

  function readout() {
    if (!image) return;
    const [h, w] = image.size;
    const rows = [`×${view.scale.toFixed(2)} of ${h} × ${w} pixels; all of it would be ${Math.round(h * view.scale).toLocaleString("en")} × ${Math.round(w * view.scale).toLocaleString("en")}` + (view.scale >= image.most * 0.999 ? ", the largest shown" : "")];
    for (const name of new Set(view.methods)) {
      const one = told[name];
      const text = !one ? "…" : `${(1000 * one.seconds).toFixed(0)} ms` + (one.macs === undefined ? "" : `, ${short(one.macs)}MAC`) + (one.seq === seq ? "" : " …");
      rows.push(`${of(name).label}: ${text}`);
    }
    read.replaceChildren(...rows.flatMap((row, i) => (i ? [element("br"), row] : [row])));
  }

  function hear(content, buffers) {
    wait.heard();
    if (content.kind === "said") say(content.text, content.wrong);
    if (content.kind === "image") {
      const [h, w] = content.size;
      image = { ...content, base: painted(buffers[0], h, w) };
      frames = {};
      told = {};
      fit();
      if (content.own) owned(pick, content.name);
      say(content.text);
      ask();
    }
    if (content.kind === "frame" && image && content.image === image.digest) {
      const kept = (frames[content.method] ??= []);
      const last = kept[kept.length - 1];
      if (last && (last.seq > content.seq || (last.seq === content.seq && last.stage === "sharp"))) return; // a later one is there
      kept.push({ ...content, picture: painted(buffers[0], ...content.shape) });
      const sharp = kept.findLastIndex((one) => one.stage === "sharp");
      kept.splice(0, Math.max(0, sharp, kept.length - 3));
      if (content.stage === "sharp") told[content.method] = { seconds: content.seconds, seq: content.seq };
      draw();
      readout();
      if (content.seq === started.seq) {
        const now = performance.now() - started.gesture;
        const seen = times.find((one) => one.seq === content.seq) ?? times[times.push({ seq: content.seq, first: now }) - 1];
        seen[content.method] ??= {};
        seen[content.method][content.stage] = now;
        if (content.stage === "sharp") seen.sharp = now;
      }
      if (times.length > 500) times.shift();
    }
    if (content.kind === "macs" && told[content.method]?.seq === content.seq) {
      told[content.method].macs = content.macs;
      readout();
    }
  }
  model.on("msg:custom", hear);

  // Gestures
  const down = new Map();
  const spot = (event) => {
    const edge = canvas.getBoundingClientRect(), ratio = canvas.width / edge.width;
    return [(event.clientY - edge.top) * ratio, (event.clientX - edge.left) * ratio];
  };
  function zoom(times, [y, x]) {
    const before = view.scale;
    view.scale = Math.min(image.most, Math.max(least(), before * times));
    const [dy, dx] = [y - canvas.height / 2, x - canvas.width / 2];
    view.centre = [view.centre[0] + dy / before - dy / view.scale, view.centre[1] + dx / before - dx / view.scale];
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, spot(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId) || !image) return;
    const before = [...down.values()];
    const old = down.get(event.pointerId), now = spot(event);
    down.set(event.pointerId, now);
    if (down.size === 1) view.centre = [view.centre[0] - (now[0] - old[0]) / view.scale, view.centre[1] - (now[1] - old[1]) / view.scale];
    else {
      const after = [...down.values()];
      const apart = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
      const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
      const [m, n] = [middle(before), middle(after)];
      zoom(apart(after) / apart(before), n);
      view.centre = [view.centre[0] - (n[0] - m[0]) / view.scale, view.centre[1] - (n[1] - m[1]) / view.scale];
    }
    ask();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => down.delete(event.pointerId));
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (!image) return;
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), spot(event));
    ask();
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => { if (image) { zoom(2, spot(event)); ask(); } });
  canvas.addEventListener("keydown", (event) => {
    const step = canvas.height / 8 / view.scale, middle = [canvas.height / 2, canvas.width / 2];
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] }[event.key];
    if (!image || !(moves || "+=-_".includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab has keys of its own
    if (moves) view.centre = view.centre.map((n, i) => n + moves[i]);
    else zoom("+=".includes(event.key) ? 1.25 : 0.8, middle);
    ask();
  });

  // The canvas has the screen's own pixels.
  const watcher = new ResizeObserver(() => {
    const pixels = Math.min(largest, Math.round(box.clientWidth * devicePixelRatio));
    if (!pixels || pixels === canvas.width && !fresh) return;
    const ratio = pixels / canvas.width;
    canvas.width = canvas.height = pixels;
    if (!fresh && image) { view.scale *= ratio; ask(); }
    if (fresh) { fresh = false; model.send({ kind: "hello" }); }
  });
  watcher.observe(box);
  title();
  wipe.set(0.5);

  root.srlib = { view, times, ask, get image() { return image; }, get frames() { return frames; }, get seq() { return seq; }, canvas };
  return () => { watcher.disconnect(); model.off("msg:custom", hear); };
}

export default { render };
