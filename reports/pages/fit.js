// Draws the page of fit-coeffs from the JSON in #report (see reports/pages/fit_page.h and reports/kit/page.js).

const report = parsed('report');
const colors = {fit: '#2f7fe0', band: 'rgba(47,127,224,0.20)', f: '#d1423b', second: '#d9661f', third: '#8a5fd0'};

const axis = (text, more) => ({title: {text}, ...more});
const margin = {l: 56, r: 16, t: 10, b: 48};

const band = (x, lo, hi, name, color = colors.band, group = name) => [
  {type: 'scatter', x, y: hi, mode: 'lines', line: {width: 0}, hoverinfo: 'skip', showlegend: false, legendgroup: group},
  {type: 'scatter', x, y: lo, mode: 'lines', line: {width: 0}, fill: 'tonexty', fillcolor: color, hoverinfo: 'skip',
    name, legendgroup: group},
];

const clipped = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

function pairLabels(pairs) {
  return pairs.x.map((_, i) => `${escapeHtml(clipped(pairs.prompts[pairs.prompt[i]]))}<br>` +
      `${escapeHtml(pairs.branches[pairs.branch[i]])}, call ${pairs.call[i]}`);
}

const evaluate = (coefficients, x) => coefficients.reduce((value, c) => value * x + c, 0);

const callColors = (call) => ({color: call, colorscale: [[0, '#174a8c'], [0.5, '#2fa4a0'], [1, '#c9b23a']],
  cmin: 0, cmax: Math.max(1, ...call), colorbar: {title: {text: 'call'}, thickness: 10, outlinewidth: 0}});

// f and its band on the observed range.
function curveOf(expert) {
  if (expert.bands.length) return expert.bands;
  const [lo, hi] = expert.fit.x_range;
  return Array.from({length: 101}, (_, i) => {
    const x = lo + (hi - lo) * i / 100;
    return {x, f: evaluate(expert.fit.coefficients, x)};
  });
}

// The ends of the range that f was fitted on.
function rangeLines([lo, hi]) {
  const line = (x) => ({type: 'line', xref: 'x', yref: 'paper', x0: x, x1: x, y0: 0, y1: 1,
    line: {color: 'var(--muted)', width: 1.5, dash: 'dot'}});
  const text = (x, anchor, label) => ({x, xref: 'x', y: 1, yref: 'paper', yanchor: 'top', xanchor: anchor,
    text: label, showarrow: false, font: {color: 'var(--muted)', size: 11}});
  return {shapes: [line(lo), line(hi)],
    annotations: [text(lo, 'left', ` from ${short(lo)}`), text(hi, 'right', `to ${short(hi)} `)]};
}

function scatterFigure(expert) {
  const p = expert.pairs;
  const text = pairLabels(p);
  const points = (indices, name, symbol) => ({
    type: 'scatter', mode: 'markers', name,
    x: indices.map((i) => p.x[i]), y: indices.map((i) => p.y[i]), text: indices.map((i) => text[i]),
    marker: {size: symbol === 'circle' ? 6 : 8, symbol, opacity: 0.85, ...callColors(p.call), color: indices.map((i) => p.call[i]),
      showscale: symbol === 'circle'},
    hovertemplate: '%{text}<br>x %{x:.4f}, y %{y:.4f}<extra></extra>'});
  const pick = (fitted) => p.x.map((_, i) => i).filter((i) => p.fitted[i] === fitted);
  const [fitted, forced] = [pick(true), pick(false)];
  const curve = curveOf(expert);
  const x = curve.map((b) => b.x);
  const data = [];
  if (curve.some((b) => b.hi > b.lo)) data.push(...band(x, curve.map((b) => b.lo), curve.map((b) => b.hi), '95 % of f'));
  data.push(points(fitted, 'may be skipped', 'circle'));
  if (forced.length) data.push(points(forced, 'always computed, not fitted', 'cross'));
  data.push({type: 'scatter', x, y: curve.map((b) => b.f), mode: 'lines', name: 'f(x)',
    line: {color: colors.f, width: 3}, hovertemplate: 'f(%{x:.4f}) = %{y:.4f}<extra></extra>'});
  return {data, layout: {margin, ...rangeLines(expert.fit.x_range),
    xaxis: axis('x: change of the modulated input'), yaxis: axis('y: change of the target')}};
}

function residualFigure(expert) {
  const p = expert.pairs;
  return {data: [{type: 'scatter', mode: 'markers', x: p.x, text: pairLabels(p),
    y: p.x.map((x, i) => p.y[i] - evaluate(expert.fit.coefficients, x)),
    marker: {size: 5, opacity: 0.85, ...callColors(p.call), symbol: p.fitted.map((f) => (f ? 'circle' : 'cross'))},
    hovertemplate: '%{text}<br>x %{x:.4f}, residual %{y:.4f}<extra></extra>'}],
  layout: {margin, xaxis: axis('x'), yaxis: axis('y − f(x)', {zeroline: true})}};
}

function stepFigure(expert) {
  const s = expert.steps;
  const call = s.map((step) => step.call);
  const spread = (key, sd) => [-1, 1].map((sign) => s.map((step) => step[key] + sign * step[sd]));
  const curve = (key, name, color, symbol) => ({type: 'scatter', mode: 'lines+markers', x: call, name,
    y: s.map((step) => step[key]), line: {color, width: 2}, marker: {color, symbol, size: 6}, legendgroup: key,
    hovertemplate: `call %{x}: ${name} %{y:.4f}<extra></extra>`});
  return {data: [
    {type: 'bar', x: call, y: s.map((step) => 100 * step.leverage), yaxis: 'y2', name: 'share of the fit (right)',
      marker: {color: 'rgba(138,95,208,0.35)'}, hovertemplate: 'call %{x}: %{y:.1f} % of the leverage<extra></extra>'},
    ...band(call, ...spread('x_mean', 'x_sd'), 'x ± sd', colors.band, 'x_mean').map((t) => ({...t, showlegend: false})),
    ...band(call, ...spread('y_mean', 'y_sd'), 'y ± sd', 'rgba(217,102,31,0.20)', 'y_mean').map((t) => ({...t, showlegend: false})),
    curve('x_mean', 'x', colors.fit, 'circle'), curve('y_mean', 'y', colors.second, 'square')],
  layout: {margin: {...margin, r: 52}, xaxis: axis('call'), yaxis: axis('mean over prompts ± sd', {rangemode: 'tozero'}),
    yaxis2: axis('share of the leverage, %', {overlaying: 'y', side: 'right', showgrid: false, rangemode: 'tozero'})}};
}

function degreeFigure(expert) {
  const cv = expert.cross_validation;
  // Where nobody knows the steps they are no rival.
  const baselines = cv.baselines.filter((c) => c.name !== 'step' || expert.steps.length > 0);
  const bars = (list, name, color) => ({type: 'bar', name, x: list.map((c) => c.name), marker: {color},
    y: list.map((c) => (c.r2 === null ? null : Math.max(c.r2, -0.2))), cliponaxis: false, textposition: 'outside',
    text: list.map((c) => fixed(c.r2, 3)), hovertemplate: '%{x}: R² %{text}<extra></extra>'});
  return {data: [bars(baselines, 'without the signal or a line', colors.second), bars(cv.degrees, 'polynomials', colors.fit)],
    layout: {margin, xaxis: axis(''), yaxis: axis(`R², each ${cv.left_out} left out once`, {range: [-0.25, 1.12], zeroline: true})}};
}

function learningFigure(expert) {
  const l = expert.learning;
  const x = l.map((p) => p.prompts);
  // Few prompts can give errors many times as large, beside which the others look like nothing.
  const tall = Math.max(...l.map((p) => p.rmse95[1])) > 10 * l[l.length - 1].rmse;
  return {data: [
    ...band(x, l.map((p) => p.rmse95[0]), l.map((p) => p.rmse95[1]), '95 % of choices'),
    {type: 'scatter', mode: 'lines+markers', x, y: l.map((p) => p.rmse), name: 'error', line: {color: colors.fit},
      hovertemplate: '%{x} fitted: RMSE %{y:.4g}<extra></extra>'}],
  layout: {margin, xaxis: axis(`${expert.cross_validation.left_out}s fitted`, {dtick: l.length < 16 ? 1 : undefined}),
    yaxis: axis('RMSE on the others', tall ? {type: 'log'} : {rangemode: 'tozero'})}};
}

// ---------------------------------------------------------------- threshold and schedules

function thresholdFigure(expert, chosen) {
  const sweep = expert.sweep.filter((p) => p.threshold > 0);
  const x = sweep.map((p) => p.threshold);
  return {data: [
    ...band(x, sweep.map((p) => p.min_skips), sweep.map((p) => p.max_skips), 'from run to run'),
    {type: 'scatter', mode: 'lines', x, y: sweep.map((p) => p.mean_skips), name: 'skipped calls (left)',
      line: {color: colors.fit, width: 2}, hovertemplate: 'threshold %{x:.4g}: %{y:.1f} skipped<extra></extra>'},
    {type: 'scatter', mode: 'lines', x, y: sweep.map((p) => p.speedup), yaxis: 'y2', name: 'speed-up (right)',
      line: {color: colors.second, width: 2, dash: 'dash'}, hovertemplate: 'threshold %{x:.4g}: %{y:.2f}×<extra></extra>'}],
  layout: {margin: {...margin, r: 52}, xaxis: axis('threshold', {type: 'log'}),
    yaxis: axis('skipped calls', {rangemode: 'tozero'}),
    yaxis2: axis('predicted speed-up', {overlaying: 'y', side: 'right', showgrid: false, rangemode: 'tozero', ticksuffix: '×'}),
    shapes: chosen.threshold > 0 ? [{type: 'line', xref: 'x', yref: 'paper', x0: chosen.threshold, x1: chosen.threshold,
      y0: 0, y1: 1, line: {color: colors.f, width: 2, dash: 'dash'}}] : []}};
}

function skipFigure(expert, chosen, width) {
  const names = expert.runs.map((run) => `${clipped(run.prompt)}, seed ${run.seed}, ${run.branch}`);
  const named = names.length <= 40 && width > 600;  // room for names beside the map
  return {data: [{type: 'heatmap', zmin: 0, zmax: 1, showscale: false, xgap: 1, ygap: names.length < 100 ? 1 : 0,
    // Blue is computed, as on the page of a sweep.
    z: chosen.runs.map((run) => [...run].map((c) => Number(c !== 'S'))), y: names.map((_, i) => i),
    colorscale: [[0, 'var(--line)'], [1, colors.fit]],
    customdata: chosen.runs.map((run, i) => [...run].map((c) =>
      `${escapeHtml(names[i])}<br>${c === 'S' ? 'skipped' : 'computed'}`)),
    hovertemplate: '%{customdata}<br>call %{x}<extra></extra>'}],
  layout: {margin, height: Math.min(900, Math.max(220, 90 + 18 * names.length)), xaxis: axis('call', {showgrid: false}),
    yaxis: axis(named ? '' : 'run', {autorange: 'reversed', showgrid: false,
      ...(named ? {tickmode: 'array', tickvals: names.map((_, i) => i),
        ticktext: names.map((name) => escapeHtml(name.length > 44 ? `${name.slice(0, 43)}…` : name)), tickfont: {size: 11}}
        : {tickformat: 'd'})})}};
}

function nearest(schedules, threshold) {
  return schedules.reduce((best, schedule, i) =>
    (Math.abs(schedule.threshold - threshold) < Math.abs(schedules[best].threshold - threshold) ? i : best), 0);
}

function addThreshold(curveFigure, mapFigure, expert) {
  const slider = curveFigure.querySelector('input[type=range]');
  const output = curveFigure.querySelector('output');
  const {schedules} = expert;
  const chosen = () => schedules[Number(slider.value)];
  const tell = () => {
    const c = chosen();
    const calls = c.runs.length ? c.runs[0].length : 0;
    output.textContent = `threshold ${c.threshold.toPrecision(4)}: ${c.mean_skips.toFixed(1)} of ${calls} calls ` +
        `skipped, longest run ${c.longest_run}` + (c.speedup === null ? '' : `, speed-up ${c.speedup.toFixed(2)}×`);
    slider.setAttribute('aria-valuetext', output.textContent);
  };
  const moved = () => {
    tell();
    draw(curve);
    draw(map);
  };
  slider.max = schedules.length - 1;
  slider.value = expert.replay ? nearest(schedules, expert.replay.threshold) : Math.floor(schedules.length / 3);
  const curve = addChart(curveFigure, () => thresholdFigure(expert, chosen()), {clicked: (point) => {
    slider.value = nearest(schedules, point.x);
    moved();
  }});
  const map = addChart(mapFigure, () => skipFigure(expert, chosen(), mapFigure.clientWidth));
  slider.addEventListener('input', moved);
  tell();
}

report.experts.forEach((expert, i) => {
  const root = byId(`expert-${i}`);
  const find = (name) => root.querySelector(`[data-figure="${name}${expert.expert ? `-${expert.expert}` : ''}"]`);
  const figures = {scatter: scatterFigure, residuals: residualFigure, steps: stepFigure, degrees: degreeFigure,
    learning: learningFigure};
  for (const [name, make] of Object.entries(figures)) {
    if (find(name)) addChart(find(name), () => make(expert));
  }
  if (find('skips')) addThreshold(find('threshold'), find('skips'), expert);
});

begin();
