// Draws the page of fit-coeffs from the JSON in #report (see calib/fit_page.h).
'use strict';

(() => {
  const report = JSON.parse(document.getElementById('report').textContent);
  const colors = {fit: '#2f7fe0', band: 'rgba(47,127,224,0.18)', warn: '#c4302b', skip: '#2f7fe0',
    second: '#e08a2f'};

  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function layout(extra) {
    const axis = {gridcolor: style('--line'), zerolinecolor: style('--line'), automargin: true};
    const base = {
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
      font: {color: style('--ink'), size: 12}, margin: {l: 56, r: 16, t: 8, b: 44},
      legend: {orientation: 'h', y: 1.12}, hovermode: 'closest', showlegend: true,
      modebar: {bgcolor: 'rgba(0,0,0,0)', color: style('--muted')},
    };
    const merged = Object.assign(base, extra);
    for (const name of ['xaxis', 'yaxis', 'yaxis2']) {
      if (merged[name] || name !== 'yaxis2') merged[name] = Object.assign({}, axis, merged[name]);
    }
    return merged;
  }

  const drawn = [];
  function draw(element, data, extra) {
    const redraw = () => Plotly.react(element, data(), layout(extra()),
      {responsive: true, displaylogo: false, displayModeBar: 'hover'});
    drawn.push(redraw);
    redraw();
    return redraw;
  }

  const band = (x, lo, hi, name) => [
    {x, y: hi, mode: 'lines', line: {width: 0}, hoverinfo: 'skip', showlegend: false},
    {x, y: lo, mode: 'lines', line: {width: 0}, fill: 'tonexty', fillcolor: colors.band,
      hoverinfo: 'skip', name},
  ];

  const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

  function labels(pairs) {
    return pairs.x.map((_, i) => `${escape(pairs.prompts[pairs.prompt[i]].slice(0, 60))}<br>` +
      `${escape(pairs.branches[pairs.branch[i]])}, call ${pairs.call[i]}`);
  }

  function evaluate(coefficients, x) {
    return coefficients.reduce((value, c) => value * x + c, 0);
  }

  function drawScatter(root, expert) {
    const p = expert.pairs;
    const text = labels(p);
    const pick = fitted => p.x.map((_, i) => i).filter(i => p.fitted[i] === fitted);
    const points = (indices, name, symbol) => ({
      x: indices.map(i => p.x[i]), y: indices.map(i => p.y[i]), text: indices.map(i => text[i]),
      mode: 'markers', type: 'scatter', name,
      marker: {size: 6, symbol, color: indices.map(i => p.call[i]), colorscale: 'Viridis',
        showscale: symbol === 'circle', colorbar: {title: {text: 'call'}, thickness: 10}, opacity: 0.8},
      hovertemplate: '%{text}<br>x %{x:.4f}, y %{y:.4f}<extra></extra>',
    });
    draw(root.querySelector('[data-figure=scatter]'), () => {
      const x = expert.bands.map(b => b.x);
      const data = [...band(x, expert.bands.map(b => b.lo), expert.bands.map(b => b.hi), '95 % of f'),
        points(pick(true), 'may be skipped', 'circle')];
      const forced = pick(false);
      if (forced.length) data.push(points(forced, 'always computed', 'x-thin-open'));
      data.push({x, y: expert.bands.map(b => b.f), mode: 'lines', name: 'f(x)',
        line: {color: colors.warn, width: 2}});
      return data;
    }, () => ({xaxis: {title: {text: 'x: change of the modulated input'}},
      yaxis: {title: {text: 'y: change of the target'}}}));
  }

  function drawResiduals(root, expert) {
    const p = expert.pairs;
    const text = labels(p);
    draw(root.querySelector('[data-figure=residuals]'), () => [
      {x: p.x, y: p.x.map((x, i) => p.y[i] - evaluate(expert.fit.coefficients, x)), text,
        mode: 'markers', type: 'scatter', showlegend: false,
        marker: {size: 5, color: p.call, colorscale: 'Viridis', opacity: 0.8},
        hovertemplate: '%{text}<br>x %{x:.4f}, residual %{y:.4f}<extra></extra>'},
    ], () => ({showlegend: false, xaxis: {title: {text: 'x'}}, yaxis: {title: {text: 'y − f(x)'}, zeroline: true}}));
  }

  function drawSteps(root, expert) {
    const s = expert.steps;
    const call = s.map(step => step.call);
    const spread = (key, sd, sign) => s.map(step => step[key] + sign * step[sd]);
    draw(root.querySelector('[data-figure=steps]'), () => [
      ...band(call, spread('x_mean', 'x_sd', -1), spread('x_mean', 'x_sd', 1), 'x ± sd'),
      {x: call, y: s.map(step => step.x_mean), mode: 'lines+markers', name: 'x',
        line: {color: colors.fit}},
      {x: call, y: s.map(step => step.y_mean), mode: 'lines+markers', name: 'y',
        line: {color: colors.second}, error_y: {type: 'data', array: s.map(step => step.y_sd),
          thickness: 1, width: 0}},
      {x: call, y: s.map(step => step.leverage), mode: 'lines', name: 'share of the leverage',
        line: {color: colors.warn, dash: 'dot'}},
    ], () => ({xaxis: {title: {text: 'call'}}, yaxis: {title: {text: 'mean over prompts'}}}));
  }

  function drawDegrees(root, expert) {
    const cv = expert.cross_validation;
    const all = [...cv.baselines, ...cv.degrees];
    const clip = value => Math.max(value, -0.2);
    draw(root.querySelector('[data-figure=degrees]'), () => [
      {x: all.map(c => c.name), y: all.map(c => clip(c.r2)), type: 'bar', showlegend: false,
        text: all.map(c => c.r2.toFixed(3)), textposition: 'outside', cliponaxis: false,
        marker: {color: all.map((c, i) => i < cv.baselines.length ? colors.second : colors.fit)}},
    ], () => ({showlegend: false, xaxis: {title: {text: ''}},
      yaxis: {title: {text: `R2, each ${cv.left_out} left out once`}, range: [-0.25, 1.12]}}));
  }

  function drawLearning(root, expert) {
    const l = expert.learning;
    draw(root.querySelector('[data-figure=learning]'), () => [
      ...band(l.map(p => p.prompts), l.map(p => p.rmse95[0]), l.map(p => p.rmse95[1]), '95 %'),
      {x: l.map(p => p.prompts), y: l.map(p => p.rmse), mode: 'lines+markers', name: 'error',
        line: {color: colors.fit}},
    ], () => ({xaxis: {title: {text: `${expert.cross_validation.left_out}s fitted`}, type: 'log'},
      yaxis: {title: {text: 'RMSE on the others'}, type: 'log'}}));
  }

  function drawReplay(root, expert) {
    const sweep = expert.sweep.filter(p => p.threshold > 0);
    const slider = root.querySelector('input[type=range]');
    const output = root.querySelector('output');
    const schedules = expert.schedules;
    slider.max = schedules.length - 1;
    const start = expert.replay ? expert.replay.threshold : null;
    slider.value = start === null ? Math.floor(schedules.length / 3)
      : schedules.reduce((best, s, i) =>
        Math.abs(s.threshold - start) < Math.abs(schedules[best].threshold - start) ? i : best, 0);
    const chosen = () => schedules[Number(slider.value)];

    const curve = draw(root.querySelector('[data-figure=threshold]'), () => [
      {x: sweep.map(p => p.threshold), y: sweep.map(p => p.mean_skips), mode: 'lines',
        name: 'skipped calls', line: {color: colors.fit}},
      {x: sweep.map(p => p.threshold), y: sweep.map(p => p.speedup), mode: 'lines', yaxis: 'y2',
        name: 'speed-up', line: {color: colors.second}},
      {x: [chosen().threshold, chosen().threshold], y: [0, sweep[sweep.length - 1].mean_skips],
        mode: 'lines', name: 'chosen', line: {color: colors.warn, dash: 'dash'}},
    ], () => ({xaxis: {title: {text: 'threshold'}, type: 'log'},
      yaxis: {title: {text: 'mean skipped calls'}, rangemode: 'tozero'},
      yaxis2: {title: {text: 'predicted speed-up'}, overlaying: 'y', side: 'right',
        showgrid: false, rangemode: 'tozero', tickformat: '.2f'}}));
    const map = draw(root.querySelector('[data-figure=skips]'), () => [
      {z: chosen().runs.map(run => [...run].map(c => c === 'S' ? 1 : 0)), type: 'heatmap',
        y: expert.runs.map((name, i) => i), zmin: 0, zmax: 1, showscale: false, xgap: 1,
        ygap: expert.runs.length < 60 ? 1 : 0, text: expert.runs,
        colorscale: [[0, style('--line')], [1, colors.skip]],
        customdata: expert.runs.map((name, i) => [...chosen().runs[i]].map(() => name)),
        hovertemplate: '%{customdata}<br>call %{x}<extra></extra>'},
    ], () => ({showlegend: false, xaxis: {title: {text: 'call'}},
      yaxis: {title: {text: 'run'}, autorange: 'reversed', tickformat: 'd'}}));

    const tell = () => {
      const c = chosen();
      output.textContent = `threshold ${c.threshold.toPrecision(4)}: ${c.mean_skips.toFixed(1)} calls ` +
        `skipped, longest run ${c.longest_run}, speed-up ${c.speedup.toFixed(2)}`;
    };
    slider.addEventListener('input', () => {
      tell();
      curve();
      map();
    });
    tell();
  }

  const has = (root, name) => root.querySelector(`[data-figure=${name}]`) !== null;
  report.experts.forEach((expert, i) => {
    const root = document.getElementById(`expert-${i}`);
    if (has(root, 'scatter')) drawScatter(root, expert);
    if (has(root, 'residuals')) drawResiduals(root, expert);
    if (has(root, 'steps')) drawSteps(root, expert);
    if (has(root, 'degrees')) drawDegrees(root, expert);
    if (has(root, 'learning')) drawLearning(root, expert);
    if (has(root, 'skips')) drawReplay(root, expert);
  });

  const theme = document.getElementById('theme');
  const setTheme = dark => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    theme.textContent = dark ? 'Light' : 'Dark';
    drawn.forEach(redraw => redraw());
  };
  theme.addEventListener('click', () => setTheme(theme.textContent === 'Dark'));
  if (location.hash.includes('theme=dark')) setTheme(true);
  document.documentElement.dataset.ready = 'yes';
})();
