// The report's charts: figures as the page carries them, with hovering and with the selected setting
// standing out.

const modelShown = () => (state.row ? state.row.model : '');

function figureOf(chart) {
  const name = chart.name;
  const variant = chart.figure.dataset.shared ? state.x : variantOf(chart) || chart.figure.dataset.first;
  return parsed(`figure-${name}${variant ? `-${variant}` : ''}`);
}

const idOf = (mark) => (Array.isArray(mark) ? mark[0] : mark);

function hoverOf(mark) {
  const row = rowById.get(idOf(mark));
  if (!row) return '';
  if (!Array.isArray(mark)) return rowHover(row);
  const video = videoOf(row, `${mark[1]}:${mark[2]}`);
  return video ? videoHover(row, video) : rowHover(row);
}

function isSelected(mark) {
  if (!state.row || idOf(mark) !== state.row.id) return false;
  return !Array.isArray(mark) || `${mark[1]}:${mark[2]}` === state.video;
}

// How the selected setting stands out: points get a ring (a trace of its own, so that thousands of other
// points are left alone), single videos grow, lines of maps and bars get a frame.
const isMap = (trace) => trace.type === 'heatmap' || trace.orientation === 'h';
const isVideos = (trace) => trace.type === 'box';
const isPoints = (trace) => trace.type === 'scatter' && Array.isArray(trace.customdata) && trace.meta?.ring !== true;

function ring(data) {
  const points = data.filter(isPoints).flatMap((trace) => trace.customdata.flatMap((mark, i) =>
    (isSelected(mark) && trace.visible !== 'legendonly' ? [[trace.x[i], trace.y[i], mark]] : [])));
  return {x: points.map(([x]) => x), y: points.map(([, y]) => y), customdata: points.map(([,, mark]) => mark)};
}

function ringTrace(data) {
  return {type: 'scatter', mode: 'markers', meta: {ring: true}, showlegend: false, hoverinfo: 'skip', ...ring(data),
    marker: {symbol: 'circle-open', size: 18, color: 'var(--ink)', line: {width: 2.5, color: 'var(--ink)'}}};
}

const selectedVideos = (trace) => trace.customdata.flatMap((mark, index) => (isSelected(mark) ? [index] : []));

function frames(data) {
  const trace = data.find(isMap);
  if (!trace) return [];
  return trace.customdata.flatMap((mark, index) => (idOf(trace.type === 'heatmap' ? mark[0] : mark) !== state.row?.id ? [] :
    [{type: 'rect', xref: 'paper', x0: 0, x1: 1, yref: 'y', y0: trace.y[index] - 0.5, y1: trace.y[index] + 0.5,
      line: {color: colorOf('--ink'), width: 2}}]));
}

const labelHeight = 12;

// Moves the names at the ends of lines apart, in a plot of the height that it will have.
function spreadLabels({layout}, plot) {
  const {annotations, margin, yaxis} = layout;
  if (!annotations || !margin || !yaxis.range) return;
  const inner = plot.clientHeight - margin.t - margin.b;
  const [lo, hi] = yaxis.range;
  const places = annotations.map((label) => ({label, own: (inner * (hi - label.y)) / (hi - lo)})).sort((a, b) => a.own - b.own);
  let last = -labelHeight;
  for (const place of places) last = place.at = Math.max(place.own, last + labelHeight);
  let next = inner + labelHeight / 2;
  for (const place of places.reverse()) next = place.at = Math.min(place.at, next - labelHeight);
  for (const {label, own, at} of places) label.yshift = own - at;
}

function makeFigure(chart) {
  const figure = figureOf(chart);
  spreadLabels(figure, chart.plot);
  for (const trace of figure.data) {
    if (trace.type === 'heatmap') {
      trace.text = trace.text.map((line, i) => {
        const name = `<b>${escapeHtml(labelOf(rowById.get(trace.customdata[i][0])))}</b>`;
        return line.map((text) => `${name}<br>${text}`);
      });
      trace.hovertemplate = 'call %{x}: %{text}<extra></extra>';
    } else if (Array.isArray(trace.customdata)) {
      if (!trace.hovertemplate) trace.hovertemplate = '%{text}<extra></extra>';
      if (!trace.text) trace.text = trace.customdata.map(hoverOf);
    }
    if (isVideos(trace)) {
      trace.selected = {marker: {size: 13, opacity: 1}};
      trace.unselected = {marker: {opacity: trace.marker.opacity}};
      trace.selectedpoints = selectedVideos(trace);
    }
  }
  if (figure.data.some(isPoints)) figure.data.push(ringTrace(figure.data));
  figure.layout.shapes = frames(figure.data);
  return figure;
}

// The setting changed: only what marks it is touched, nothing is drawn again.
function mark(chart) {
  const {plot} = chart;
  if (!plot.data || chart.figure.hidden) return;
  const at = plot.data.findIndex((trace) => trace.meta?.ring === true);
  if (at >= 0) {
    const {x, y, customdata} = ring(plot.data);
    Plotly.restyle(plot, {x: [x], y: [y], customdata: [customdata]}, [at]);
  }
  const videos = plot.data.map((_, i) => i).filter((i) => isVideos(plot.data[i]) &&
      String(selectedVideos(plot.data[i])) !== String(plot.data[i].selectedpoints || []));
  if (videos.length) Plotly.restyle(plot, {selectedpoints: videos.map((i) => selectedVideos(plot.data[i]))}, videos);
  if (plot.data.some(isMap)) {
    const shapes = frames(plot.data);
    if (JSON.stringify(shapes) !== JSON.stringify(plot.layout.shapes || [])) Plotly.relayout(plot, {shapes});
  }
}

function clicked(point) {
  const data = point.customdata;
  if (data === undefined) return;
  const [id, prompt, seed] = Array.isArray(data) ? data : [data];
  choose(rowById.get(id), prompt === undefined ? undefined : `${prompt}:${seed}`);
}

// The marks of a chart from left to right, each setting or video once.
function marksOf({plot}) {
  const marks = new Map();
  for (const trace of plot.data || []) {
    if (!Array.isArray(trace.customdata) || trace.visible === 'legendonly' || trace.meta?.ring) continue;
    trace.customdata.forEach((mark, i) => {
      const one = trace.type === 'heatmap' ? mark[0] : mark;
      const x = trace.type === 'heatmap' || trace.orientation === 'h' ? trace.y[i] : trace.x[i];
      if (!marks.has(String(one))) marks.set(String(one), {mark: one, x});
    });
  }
  return [...marks.values()].sort((a, b) => (a.x < b.x ? -1 : a.x > b.x ? 1 : 0)).map(({mark}) => mark);
}

// The arrow keys select the next mark, as they do in the tables; the tiles say what it is.
function moved(chart, event) {
  const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1}[event.key];
  const marks = step ? marksOf(chart) : [];
  if (!marks.length) return;
  event.preventDefault();
  const now = marks.findIndex(isSelected);
  const next = now < 0 ? 0 : Math.min(Math.max(now + step, 0), marks.length - 1);
  clicked({customdata: marks[next]});
}

// Charts of one model are seen while a setting of that model is selected.
function showModel() {
  for (const chart of charts) {
    const {model} = chart.figure.dataset;
    const hide = Boolean(model) && model !== modelShown();
    if (hide === chart.figure.hidden) continue;
    chart.figure.hidden = hide;
    if (!hide) draw(chart);
  }
}

// The axis asked for may be one that nothing is known of.
const axes = [...document.querySelectorAll('[data-x]')].map((button) => button.dataset.x);
if (axes.length && !axes.includes(state.x)) setAxis(axes[0]);

function showAxis() {
  for (const button of document.querySelectorAll('[data-x]')) {
    button.setAttribute('aria-pressed', String(button.dataset.x === state.x));
  }
}

for (const figure of document.querySelectorAll('.chart')) {
  const chart = addChart(figure, () => makeFigure(chart), {clicked});
  chart.plot.tabIndex = 0;
  chart.plot.addEventListener('keydown', (event) => moved(chart, event));
}
for (const button of document.querySelectorAll('[data-x]')) {
  button.addEventListener('click', () => {
    setAxis(button.dataset.x);
    showAxis();
    charts.filter((chart) => chart.figure.dataset.shared).forEach(draw);
    writeHash();
  });
}
showAxis();

let marking = 0;
watchers.push(() => {
  showModel();
  cancelAnimationFrame(marking);
  marking = requestAnimationFrame(() => charts.forEach(mark));
});
