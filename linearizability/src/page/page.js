"use strict";
// One canvas over the visible part; lanes scroll, time pans and zooms. Only what is in view is
// looked at: each lane is sorted by time and entered by binary search.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const view = document.getElementById("view"), canvas = document.getElementById("lanes");
  const tip = document.getElementById("tip"), where = document.getElementById("where");
  const orderChoice = document.getElementById("order"), keyChoice = document.getElementById("key");
  const LANE = 22, HEAD = 84, TOP = 18;
  const [BAR_LANE, INVOKED, RETURNED, LABEL, KEY, LINE] = [0, 1, 2, 3, 4, 5];
  const bars = data.bars, marked = new Set(data.marked);
  let first = Infinity, last = 0;
  for (const bar of bars) {
    first = Math.min(first, bar[INVOKED]);
    last = Math.max(last, bar[INVOKED], bar[RETURNED] === null ? 0 : bar[RETURNED]);
  }
  if (!(first <= last)) { first = 0; last = 1; }
  // Where a bar ends: one of unknown outcome at the next one of its lane, or beyond the end.
  const ends = bars.map((bar) => bar[RETURNED]);
  for (const lane of data.lanes) {
    lane.forEach((at, place) => {
      if (ends[at] === null) {
        ends[at] = place + 1 < lane.length ? bars[lane[place + 1]][INVOKED] : last + (last - first) * 0.02;
      }
    });
  }
  let from = first, to = Math.max(last, first + 1), order = null, points = null, place = null;

  const spacer = document.createElement("div");
  spacer.style.height = "0px";
  view.appendChild(spacer);

  function x(time) { return HEAD + (time - from) / (to - from) * (canvas.width / ratio() - HEAD); }
  function timeAt(px) { return from + (px - HEAD) / (canvas.width / ratio() - HEAD) * (to - from); }
  function ratio() { return window.devicePixelRatio || 1; }

  function resize() {
    const wide = view.clientWidth, high = view.clientHeight;
    canvas.width = wide * ratio();
    canvas.height = high * ratio();
    canvas.style.width = wide + "px";
    canvas.style.height = high + "px";
    spacer.style.height = Math.max(0, TOP + LANE * data.lanes.length + 40 - high) + "px";
    draw();
  }

  // The place in a lane of the last bar that begins at or before a time.
  function enter(lane, time) {
    let low = 0, high = lane.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bars[lane[middle]][INVOKED] <= time) { low = middle + 1; } else { high = middle; }
    }
    return low - 1;
  }

  function shown(at) {
    const key = Number(keyChoice.value);
    return key < 0 || bars[at][KEY] === key;
  }

  function draw() {
    const pen = canvas.getContext("2d"), wide = canvas.width / ratio(), high = canvas.height / ratio();
    pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.font = "12px sans-serif";
    pen.textBaseline = "middle";
    for (const [start, end, label] of data.faults) {
      const left = Math.max(HEAD, x(start)), right = Math.min(wide, end === null ? wide : x(end));
      if (right < HEAD || left > wide) { continue; }
      pen.fillStyle = "rgba(255, 170, 0, 0.18)";
      pen.fillRect(left, 0, Math.max(1, right - left), high);
      pen.fillStyle = "#a60";
      pen.fillText(label, left + 3, 9);
    }
    const top = view.scrollTop, lanes = data.lanes;
    const begin = Math.max(0, Math.floor((top - TOP) / LANE));
    const stop = Math.min(lanes.length, Math.ceil((top + high - TOP) / LANE));
    for (let lane = begin; lane < stop; lane++) { drawLane(pen, lane, TOP + lane * LANE - top, wide); }
    drawOrder(pen, top, wide);
    where.textContent = "time " + Math.round(from) + " .. " + Math.round(to);
  }

  function drawLane(pen, lane, y, wide) {
    pen.fillStyle = "#555";
    pen.fillText("process " + data.processes[lane], 4, y + LANE / 2);
    const members = data.lanes[lane];
    let painted = -1; // bars that share a pixel are drawn once, unless one is marked
    for (let at = Math.max(0, enter(members, from)); at < members.length; at++) {
      const bar = members[at], left = Math.max(HEAD, x(bars[bar][INVOKED]));
      if (left > wide) { break; }
      const right = Math.min(wide, x(ends[bar]));
      if (right < HEAD || !shown(bar)) { continue; }
      const mark = marked.has(bar);
      if (!mark && right - left < 1 && Math.floor(left) === painted) { continue; }
      painted = Math.floor(left);
      const unknown = bars[bar][RETURNED] === null;
      pen.fillStyle = mark ? "#d33" : unknown ? "#e6e6e6" : "#bcd4ee";
      pen.fillRect(left, y + 2, Math.max(1, right - left), LANE - 4);
      if (right - left > 24) {
        pen.save();
        pen.beginPath();
        pen.rect(left, y, right - left - 2, LANE);
        pen.clip();
        pen.fillStyle = mark ? "#fff" : "#123";
        pen.fillText(bars[bar][LABEL] + (unknown ? " ..?" : ""), left + 3, y + LANE / 2);
        pen.restore();
      }
    }
  }

  // A line through the lanes along the chosen order, as long as its points are in view.
  function drawOrder(pen, top, wide) {
    if (!order) { return; }
    pen.strokeStyle = pen.fillStyle = "#284";
    pen.beginPath();
    let drawn = 0, low = 0, high = order.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle] < from) { low = middle + 1; } else { high = middle; }
    }
    for (let step = Math.max(0, low - 1); step < order.steps.length; step++) {
      const px = x(points[step]), py = TOP + bars[order.steps[step]][BAR_LANE] * LANE + LANE / 2 - top;
      if (drawn++ === 0) { pen.moveTo(px, py); } else { pen.lineTo(px, py); }
      if (px > wide || drawn > 5000) { break; }
    }
    pen.stroke();
    for (let step = Math.max(0, low - 1), dots = 0; step < order.steps.length && dots < 2000; step++, dots++) {
      const px = x(points[step]), py = TOP + bars[order.steps[step]][BAR_LANE] * LANE + LANE / 2 - top;
      if (px > wide) { break; }
      if (px >= HEAD) { pen.fillRect(px - 2, py - 2, 4, 4); }
    }
  }

  function choose() {
    order = data.orders[Number(orderChoice.value)] || null;
    place = new Map();
    points = [];
    let now = -Infinity;
    // Each takes effect not before it was invoked, nor before those that stand before it.
    (order ? order.steps : []).forEach((at, step) => {
      now = Math.max(now, bars[at][INVOKED]);
      points.push(now);
      place.set(at, step);
    });
    draw();
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const lane = Math.floor((event.clientY - box.top + view.scrollTop - TOP) / LANE);
    const members = data.lanes[lane];
    if (!members) { return -1; }
    const px = event.clientX - box.left;
    for (let at = enter(members, timeAt(px + 2)); at >= 0 && at < members.length; at--) {
      const bar = members[at];
      if (shown(bar)) { return x(ends[bar]) + 2 >= px && px >= HEAD ? bar : -1; }
    }
    return -1;
  }

  function hover(event) {
    const at = under(event);
    tip.style.display = at < 0 ? "none" : "block";
    if (at < 0) { return; }
    const bar = bars[at], lines = [bar[LABEL]];
    lines.push("process " + data.processes[bar[BAR_LANE]] + ", line " + bar[LINE] +
      (data.keys[bar[KEY]] ? ", key " + data.keys[bar[KEY]] : ""));
    lines.push(bar[INVOKED] + " .. " + (bar[RETURNED] === null ? "unknown outcome" : bar[RETURNED]));
    data.orders.forEach((one, number) => {
      const step = order === one ? place.get(at) : one.steps.length < 1000 ? one.steps.indexOf(at) : undefined;
      if (step !== undefined && step >= 0) {
        lines.push("in order " + (number + 1) + ": number " + (step + 1) + ", then " + one.states[step]);
      }
    });
    tip.textContent = lines.join("\n");
    const box = view.getBoundingClientRect();
    tip.style.left = Math.min(event.clientX - box.left + 12, Math.max(0, view.clientWidth - 320)) + "px";
    tip.style.top = event.clientY - box.top + view.scrollTop + 14 + "px";
  }

  function show(start, end) {
    const margin = Math.max(1, (end - start) * 0.05);
    from = start - margin;
    to = end + margin;
    draw();
  }

  data.orders.forEach((one, number) => orderChoice.add(new Option(number + 1 + ": " + one.name, number)));
  data.keys.forEach((key, number) => keyChoice.add(new Option(key || "(only one)", number)));
  orderChoice.onchange = choose;
  keyChoice.onchange = draw;
  document.getElementById("whole").onclick = () => show(first, last);
  document.getElementById("marks").onclick = () => {
    if (data.marked.length === 0) { return; }
    const starts = data.marked.map((at) => bars[at][INVOKED]);
    const stops = data.marked.map((at) => ends[at]);
    view.scrollTop = Math.max(0, TOP + LANE * (Math.min(...data.marked.map((at) => bars[at][BAR_LANE])) - 2));
    show(Math.min(...starts), Math.max(...stops.map((end, at) => Math.min(end, starts[at] + 2 * (last - first + 1)))));
  };
  let held = null;
  canvas.onmousedown = (event) => { held = { x: event.clientX, from, to }; };
  window.addEventListener("mouseup", () => { held = null; });
  canvas.onmouseleave = () => { tip.style.display = "none"; };
  canvas.onmousemove = (event) => {
    if (!held) { hover(event); return; }
    const moved = (held.x - event.clientX) / (canvas.width / ratio() - HEAD) * (held.to - held.from);
    from = held.from + moved;
    to = held.to + moved;
    draw();
  };
  canvas.addEventListener("wheel", (event) => {
    if (event.shiftKey) { return; } // scrolls the lanes
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    const at = timeAt(Math.max(HEAD, event.clientX - box.left)), by = Math.exp(event.deltaY * 0.0015);
    from = at - (at - from) * by;
    to = at + (to - at) * by;
    draw();
  }, { passive: false });
  view.addEventListener("scroll", draw);
  window.addEventListener("resize", resize);
  resize();
  if (data.marked.length > 0) { document.getElementById("marks").onclick(); } else { show(first, last); }
  if (data.orders.length > 0 && data.marked.length > 0) { orderChoice.value = "0"; choose(); }
})();
