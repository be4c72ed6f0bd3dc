"use strict";

(async () => {
  const root = document.getElementById("viewer");
  if (!root) return;
  const data = JSON.parse(document.getElementById("report-data").textContent).viewer;
  const size = data.shape;
  const [nz, ny, nx] = size;
  const planes = [[1, 2], [0, 2], [0, 1]];
  const at = size.map((n) => Math.floor(n / 2));
  const panes = [...root.querySelectorAll(".pane")];
  const readout = root.querySelector(".readout");
  const colour = root.querySelector("[name=colour]");
  const lines = root.querySelector("[name=boundaries]");
  const cross = root.querySelector("[name=cross]");
  const atlases = {};
  const small = document.createElement("canvas");
  let ids = null;

  async function unpack({ type, deflate }) {
    const bytes = Uint8Array.from(atob(deflate), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    return type === "uint16" ? new Uint16Array(buffer) : new Uint32Array(buffer);
  }

  const grainAt = (z, y, x) => ids[(z * ny + y) * nx + x];

  function grainColour(id) {
    if (!id) return [26, 26, 26];
    let h = Math.imul(id, 2654435761) >>> 0;
    h = (h ^ (h >>> 15)) >>> 0;
    return [70 + (h & 127), 70 + ((h >>> 8) & 127), 70 + ((h >>> 16) & 127)];
  }

  // One pixel per voxel; colours go from the pictures to the canvas and are never read back.
  function paint(axis, section, rows, columns) {
    small.width = columns;
    small.height = rows;
    const context = small.getContext("2d");
    context.imageSmoothingEnabled = false;
    if (colour.value === "grains") {
      const picture = context.createImageData(columns, rows);
      section.forEach((id, k) => picture.data.set([...grainColour(id), 255], 4 * k));
      context.putImageData(picture, 0, 0);
      return;
    }
    const atlas = atlases[colour.value];
    const left = (z) => (z % data.columns) * nx;
    const top = (z) => Math.floor(z / data.columns) * ny;
    if (axis === 0) {
      context.drawImage(atlas, left(at[0]), top(at[0]), nx, ny, 0, 0, nx, ny);
    } else if (axis === 1) {
      for (let z = 0; z < nz; z++) context.drawImage(atlas, left(z), top(z) + at[1], nx, 1, 0, z, nx, 1);
    } else {
      context.setTransform(0, 1, 1, 0, 0, 0);
      for (let z = 0; z < nz; z++) context.drawImage(atlas, left(z) + at[2], top(z), 1, ny, z, 0, 1, ny);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
  }

  function draw(axis) {
    const canvas = panes[axis].querySelector("canvas");
    const [down, along] = planes[axis];
    const rows = size[down];
    const columns = size[along];
    const zoom = Math.max(1, Math.ceil(480 / Math.max(rows, columns)));
    const finest = Math.min(data.spacing[down], data.spacing[along]);
    const tall = Math.max(1, Math.round((zoom * data.spacing[down]) / finest));
    const wide = Math.max(1, Math.round((zoom * data.spacing[along]) / finest));
    const section = new Uint32Array(rows * columns);
    const position = [...at];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        position[down] = r;
        position[along] = c;
        section[r * columns + c] = grainAt(...position);
      }
    }
    paint(axis, section, rows, columns);
    canvas.width = columns * wide;
    canvas.height = rows * tall;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, columns, rows, 0, 0, canvas.width, canvas.height);
    if (lines.checked) {
      context.fillStyle = "#111";
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const id = section[r * columns + c];
          if (c + 1 < columns && section[r * columns + c + 1] !== id) {
            context.fillRect((c + 1) * wide - 1, r * tall, 1.5, tall);
          }
          if (r + 1 < rows && section[(r + 1) * columns + c] !== id) {
            context.fillRect(c * wide, (r + 1) * tall - 1, wide, 1.5);
          }
        }
      }
    }
    if (cross.checked) {
      context.strokeStyle = "rgba(255,255,255,0.9)";
      context.lineWidth = 1;
      context.setLineDash([5, 4]);
      context.beginPath();
      context.moveTo((at[along] + 0.5) * wide, 0);
      context.lineTo((at[along] + 0.5) * wide, canvas.height);
      context.moveTo(0, (at[down] + 0.5) * tall);
      context.lineTo(canvas.width, (at[down] + 0.5) * tall);
      context.stroke();
    }
    panes[axis].querySelector("input").value = at[axis];
    panes[axis].querySelector(".index").textContent =
      `${at[axis] + 1} of ${size[axis]} (${((at[axis] + 0.5) * data.spacing[axis]).toFixed(2)} µm)`;
  }

  function drawAll() {
    [0, 1, 2].forEach(draw);
    tell(...at);
  }

  function tell(z, y, x) {
    const id = grainAt(z, y, x);
    const place = `voxel x ${x * data.step[2]}, y ${y * data.step[1]}, z ${z * data.step[0]}`;
    if (!id) {
      readout.textContent = `${place}: no grain`;
      return;
    }
    const [phase, phi1, Phi, phi2, diameter] = data.grains[id - 1];
    readout.textContent = `${place}: grain ${id}, ${data.phases[phase - 1]}, mean orientation (${phi1.toFixed(1)}°, ` +
      `${Phi.toFixed(1)}°, ${phi2.toFixed(1)}°) Bunge, equivalent diameter ${diameter.toFixed(2)} µm`;
  }

  function move(axis, to) {
    const n = size[axis];
    at[axis] = data.periodic ? ((to % n) + n) % n : Math.min(n - 1, Math.max(0, to));
    drawAll();
  }

  function pointed(axis, event) {
    const box = panes[axis].querySelector("canvas").getBoundingClientRect();
    const [down, along] = planes[axis];
    const position = [...at];
    const share = { [along]: (event.clientX - box.left) / box.width, [down]: (event.clientY - box.top) / box.height };
    for (const i of [along, down]) position[i] = Math.min(size[i] - 1, Math.max(0, Math.floor(share[i] * size[i])));
    return position;
  }

  function wire(axis) {
    const canvas = panes[axis].querySelector("canvas");
    const range = panes[axis].querySelector("input");
    let dragging = false;
    const place = (event) => {
      pointed(axis, event).forEach((value, i) => { at[i] = value; });
      drawAll();
    };
    range.addEventListener("input", () => move(axis, Number(range.value)));
    canvas.addEventListener("wheel", (event) => {
      if (!event.shiftKey) return;
      event.preventDefault();
      move(axis, at[axis] + ((event.deltaY || event.deltaX) > 0 ? 1 : -1));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      dragging = true;
      place(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (dragging) place(event);
      else if (event.pointerType !== "touch") tell(...pointed(axis, event));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { dragging = false; });
    canvas.addEventListener("click", place);
    canvas.addEventListener("pointerleave", () => tell(...at));
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 8, PageDown: -8 };
      if (event.key in steps) move(axis, at[axis] + steps[event.key]);
      else if (event.key === "Home") move(axis, 0);
      else if (event.key === "End") move(axis, size[axis] - 1);
      else if (event.key === "b") { lines.checked = !lines.checked; drawAll(); }
      else if (event.key === "c") { cross.checked = !cross.checked; drawAll(); }
      else return;
      event.preventDefault();
    });
  }

  if (!("DecompressionStream" in window)) {
    readout.textContent = "This browser is too old to show the volume; those since 2023 can.";
    return;
  }
  for (const image of root.querySelectorAll("img[data-volume]")) {
    await image.decode();
    atlases[image.dataset.volume] = image;
  }
  ids = await unpack(data.ids);
  [0, 1, 2].forEach(wire);
  [colour, lines, cross].forEach((control) => control.addEventListener("change", drawAll));
  drawAll();
  root.dataset.ready = "yes";
})();
