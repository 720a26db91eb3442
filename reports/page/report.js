// The page's behaviour: charts, the player, the table. All data stands in the page: the report as
// report.json has it, and one plotly figure per chart. Nothing is fetched but the videos.
(() => {
  'use strict';

  const byId = (id) => document.getElementById(id);
  const parsed = (id) => JSON.parse(byId(id).textContent);
  const report = parsed('report-data');
  const rows = report.rows;
  const rowById = new Map(rows.map((row) => [row.id, row]));
  const charts = [...document.querySelectorAll('.chart')];

  // ---------------------------------------------------------------- what is shown

  const hash = new URLSearchParams(location.hash.slice(1));
  const state = {row: null, video: '', x: hash.get('x') === 'calls' ? 'calls' : 'speed'};

  const keyOf = (video) => `${video.prompt}:${video.seed}`;
  const uncachedOf = (row) => rows.find((other) => other.policy === 'none' && other.model === row.model);
  const videoOf = (row, key) => row && row.videos.find((video) => keyOf(video) === key);
  const fixed = (value, digits) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  const signed = (value, digits) => (value < 0 ? '−' : '+') + Math.abs(value).toFixed(digits);
  const short = (value) => String(Number(value.toPrecision(4)));

  const policyNames = {none: 'uncached', teacache: 'TeaCache', uniform: 'uniform skipping',
    mask: 'fixed mask', steps: 'fewer steps', magcache: 'MagCache'};

  function labelOf(row) {
    let label = policyNames[row.policy] || row.policy;
    if (row.threshold !== null) label += ` ${short(row.threshold)}`;
    if (row.computed_target !== null) label += ` ${short(row.computed_target)} calls`;
    return report.models.length > 1 ? `${row.model}: ${label}` : label;
  }

  // The setting named by the address, else the TeaCache setting in the middle of the sweep.
  function firstRow() {
    if (rowById.has(hash.get('setting'))) return rowById.get(hash.get('setting'));
    const cached = rows.filter((row) => row.policy === 'teacache' && row.threshold > 0);
    if (hash.has('threshold')) {
      const wanted = Number(hash.get('threshold'));
      const found = cached.find((row) => Math.abs(row.threshold - wanted) <= 1e-9 + 1e-6 * wanted);
      if (found) return found;
    }
    return cached[Math.floor((cached.length - 1) / 2)] || rows[rows.length - 1];
  }

  function firstVideo(row) {
    const prompt = Number(hash.get('prompt') || 1) - 1;
    const seed = hash.get('seed');
    const found = row.videos.find((video) => video.prompt === prompt &&
        (seed === null || String(video.seed) === seed)) || row.videos[0];
    return found ? keyOf(found) : '';
  }

  function writeHash() {
    const [prompt, seed] = state.video.split(':');
    const parts = new URLSearchParams();
    parts.set('setting', state.row.id);
    if (state.video) parts.set('prompt', Number(prompt) + 1);
    if (report.context.seeds.length > 1) parts.set('seed', seed);
    if (state.x === 'calls') parts.set('x', 'calls');
    if (hash.has('theme')) parts.set('theme', hash.get('theme'));
    history.replaceState(null, '', `#${parts}`);
  }

  function select(row, video) {
    state.row = row;
    if (video && videoOf(row, video)) state.video = video;
    if (!videoOf(row, state.video)) state.video = row.videos.length ? keyOf(row.videos[0]) : '';
    byId('setting').value = row.id;
    fillVideoPicker();
    showTiles();
    player.load();
    markSelection();
  }

  // ---------------------------------------------------------------- theme

  const systemDark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => document.documentElement.dataset.theme === 'dark';

  function setTheme(dark) {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    byId('theme').textContent = dark ? 'Light' : 'Dark';
  }

  // ---------------------------------------------------------------- charts

  const axisNames = (layout) => Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));

  function themedLayout(layout) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const themed = {...layout, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
      font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: color('--muted')},
      hoverlabel: {bgcolor: color('--surface'), bordercolor: color('--line'),
        font: {color: color('--ink'), size: 12}, align: 'left'}};
    for (const name of axisNames(layout)) {
      themed[name] = {gridcolor: color('--line'), linecolor: color('--line'),
        zerolinecolor: color('--line'), zeroline: false, ...layout[name]};
      if (layout[name].zeroline) Object.assign(themed[name], {zerolinecolor: color('--muted'), zerolinewidth: 1.5});
    }
    return themed;
  }

  const figureOf = (chart) => parsed(`figure-${chart.dataset.figure}` +
      (state.x === 'calls' && chart.dataset.axes ? '-calls' : ''));

  const config = {responsive: true, displayModeBar: false};

  // As a picture in its own right: with its title, and on a ground that text can be read on.
  function save(chart, format) {
    const plot = chart.querySelector('.plot');
    const style = getComputedStyle(document.documentElement);
    const title = chart.querySelector('h3').firstChild.textContent;
    const layout = {...plot.layout, showlegend: plot.data.some((trace) => trace.name), paper_bgcolor: style.getPropertyValue('--surface').trim(),
      title: {text: title, x: 0.02, y: 0.98, yanchor: 'top'}, width: 900, height: 560,
      legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', traceorder: 'normal'},
      margin: {...plot.layout.margin, t: 80}};
    return Plotly.toImage({data: plot.data, layout}, {format, width: 900, height: 560, scale: format === 'png' ? 2 : 1})
        .then((address) => saveLink(address, `teacache-${chart.dataset.figure}.${format}`));
  }

  function saveLink(address, name) {
    const link = document.createElement('a');
    link.href = address;
    link.download = name;
    link.click();
  }

  const dashes = {dash: '6 3', dot: '2 3', dashdot: '6 3 2 3', longdash: '9 3'};

  // One button per named trace, with its colour and stroke; a click hides or shows it.
  function legendEntry(plot, trace, index) {
    const color = trace.line?.color || (typeof trace.marker?.color === 'string' && trace.marker.color) || '#2fa4a0';
    const button = document.createElement('button');
    const hidden = plot.data?.[index]?.visible === 'legendonly';
    button.type = 'button';
    button.setAttribute('aria-pressed', String(!hidden));
    const stroked = trace.mode?.includes('lines');
    const dotted = trace.type !== 'scatter' || trace.mode?.includes('markers');
    button.innerHTML = '<svg viewBox="0 0 22 10" aria-hidden="true">' +
        (stroked ? `<path d="M0 5H22" stroke="${color}" stroke-width="2" stroke-dasharray="${dashes[trace.line?.dash] || ''}"/>` : '') +
        (dotted ? `<circle cx="11" cy="5" r="4" fill="${color}"/>` : '') + '</svg>';
    button.append(trace.name);
    button.addEventListener('click', () => {
      const show = button.getAttribute('aria-pressed') === 'false';
      button.setAttribute('aria-pressed', String(show));
      Plotly.restyle(plot, {visible: show ? true : 'legendonly'}, [index]);
    });
    return button;
  }

  function drawLegend(chart, figure) {
    const plot = chart.querySelector('.plot');
    const named = figure.data.map((trace, index) => [trace, index]).filter(([trace]) => trace.name);
    const legend = chart.querySelector('.legend') || document.createElement('div');
    legend.className = 'legend';
    legend.replaceChildren(...named.map(([trace, index]) => legendEntry(plot, trace, index)));
    if (named.length) plot.before(legend);
  }

  function draw(chart) {
    const figure = figureOf(chart);
    const plot = chart.querySelector('.plot');
    drawLegend(chart, figure);
    figure.data.forEach((trace, index) => {
      if (plot.data?.[index]?.visible) trace.visible = plot.data[index].visible;
    });
    return Plotly.react(plot, figure.data, themedLayout(figure.layout), config).then(() => {
      chart.dataset.drawn = 'yes';
      if (plot.dataset.listening) return;
      plot.dataset.listening = 'yes';
      plot.on('plotly_click', (event) => pickPoint(event.points[0]));
    });
  }

  function pickPoint(point) {
    const data = point.customdata;
    const [id, prompt, seed] = Array.isArray(data) ? data : [data];
    const row = rowById.get(id);
    if (!row) return;
    select(row, prompt === undefined ? undefined : `${prompt}:${seed}`);
    writeHash();
  }

  // The selected setting is larger in every chart that has a point for it.
  function markSelection() {
    for (const chart of charts) {
      const plot = chart.querySelector('.plot');
      if (!plot.data || !chart.dataset.axes) continue;
      plot.data.forEach((trace, index) => {
        const sizes = trace.customdata.map((id) => (id === state.row.id ? 14 : 8));
        Plotly.restyle(plot, {'marker.size': [sizes]}, [index]);
      });
    }
    for (const line of document.querySelectorAll('#settings tbody tr')) {
      line.classList.toggle('selected', line.dataset.row === state.row.id);
    }
  }

  function drawAll() {
    for (const button of document.querySelectorAll('[data-x]')) {
      button.setAttribute('aria-pressed', String(button.dataset.x === state.x));
    }
    return Promise.all(charts.map(draw)).then(markSelection);
  }

  // ---------------------------------------------------------------- pickers and tiles

  function option(value, text) {
    const element = document.createElement('option');
    element.value = value;
    element.textContent = text;
    return element;
  }

  function fillSettingPicker() {
    const groups = new Map();
    for (const row of rows) {
      if (row.policy === 'none') continue;
      const name = policyNames[row.policy] || row.policy;
      if (!groups.has(name)) {
        const group = document.createElement('optgroup');
        group.label = name;
        groups.set(name, group);
        byId('setting').append(group);
      }
      groups.get(name).append(option(row.id, labelOf(row)));
    }
  }

  function fillVideoPicker() {
    const picker = byId('video');
    picker.replaceChildren(...state.row.videos.map((video) => {
      const text = report.context.test_prompts[video.prompt] || `prompt ${video.prompt + 1}`;
      const seed = report.context.seeds.length > 1 ? ` (seed ${video.seed})` : '';
      return option(keyOf(video), `${video.prompt + 1}. ${text}${seed}`);
    }));
    picker.value = state.video;
  }

  function interval(value, digits) {
    return value ? `95 %: ${fixed(value.lo, digits)} – ${fixed(value.hi, digits)}` : '';
  }

  function metricTile(name, metric, video, digits, unit) {
    if (!metric) return null;
    const mean = metric.mean === null ? 'identical' : `${fixed(metric.mean, digits)}${unit}`;
    const own = video === null || video === undefined ? '' : `this video ${fixed(video, digits)}`;
    return [name, mean, [interval(metric.ci95, digits), own].filter(Boolean).join(', ')];
  }

  function comparisonTile(row) {
    const found = report.comparisons.find((comparison) => comparison.a === row.id && comparison.psnr &&
        rowById.get(comparison.b) && rowById.get(comparison.b).policy === 'uniform');
    if (!found) return null;
    const {mean, ci95} = found.psnr;
    const verdict = ci95.lo > 0 ? 'better' : ci95.hi < 0 ? 'worse' : 'no clear difference';
    return ['against uniform skipping', `${signed(mean, 1)} dB`,
      `${verdict}, 95 %: ${signed(ci95.lo, 1)} to ${signed(ci95.hi, 1)}`];
  }

  function showTiles() {
    const row = state.row;
    const video = videoOf(row, state.video) || {};
    const tiles = [
      ['speed-up, end to end', `${fixed(row.speedup_total.value, 2)}×`, interval(row.speedup_total.ci95, 2)],
      ['computed calls', `${fixed(row.computed_mean, 1)} of ${row.calls}`,
        `longest skip ${row.longest_skip}` +
        (video.computed ? `, this video ${[...video.computed].filter((call) => call === '1').length}` : '')],
      metricTile('PSNR', row.psnr, video.psnr, 1, ' dB'),
      metricTile('SSIM', row.ssim, video.ssim, 4, ''),
      metricTile('LPIPS', row.lpips, video.lpips, 4, ''),
      comparisonTile(row),
    ].filter(Boolean);
    byId('tiles').replaceChildren(...tiles.map(([name, value, more]) => {
      const tile = document.createElement('div');
      const dt = document.createElement('dt');
      const dd = document.createElement('dd');
      const small = document.createElement('small');
      dt.textContent = name;
      dd.textContent = value;
      small.textContent = more;
      dd.append(small);
      tile.append(dt, dd);
      return tile;
    }));
  }

  // ---------------------------------------------------------------- player

  // The uncached video leads; the cached one follows. The difference is painted from the two video
  // elements by the canvas' own blending, which needs no access to pixels and therefore works from
  // file://; it is painted only while both show the same frame.
  const player = {
    lead: byId('video-uncached'),
    follow: byId('video-cached'),
    canvas: byId('video-difference'),
    playing: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    times: new Map(),  // media time of the frame that an element shows

    frameSeconds() {
      const model = report.models.find((entry) => entry.name === state.row.model);
      return model && model.fps > 0 ? 1 / model.fps : 1 / 8;
    },

    setSource(element, path) {
      this.times.delete(element);
      if (path) {
        if (element.getAttribute('src') !== path) element.src = path;
      } else {
        element.removeAttribute('src');
        element.load();
      }
    },

    load() {
      const video = videoOf(state.row, state.video);
      const uncached = videoOf(uncachedOf(state.row), state.video);
      // Parts of a path may hold characters that mean something in an address.
      const address = (entry) => (entry && entry.path && !/^data:/.test(entry.path) ?
          entry.path.split('/').map(encodeURIComponent).join('/') : entry && entry.path);
      byId('cached-label').textContent = labelOf(state.row);
      this.setSource(this.lead, address(uncached));
      this.setSource(this.follow, address(video));
      this.showSchedule(video);
      let note = '';
      if (video && video.error) note = `This video failed: ${video.error}`;
      else if (!video || !video.path || !uncached || !uncached.path) note = 'The videos of this setting were not kept.';
      byId('video-note').textContent = note;
      this.restart();
    },

    showSchedule(video) {
      const calls = video && video.computed ? [...video.computed] : [];
      byId('schedule').replaceChildren(...calls.map((call, index) => {
        const cell = document.createElement('i');
        cell.className = call === '1' ? 'on' : '';
        cell.title = `call ${index}: ${call === '1' ? 'computed' : 'from the cache'}`;
        return cell;
      }));
    },

    both(action) { [this.lead, this.follow].forEach(action); },

    seek(seconds) { this.both((element) => { element.currentTime = Math.max(0, seconds); }); },

    restart() {
      this.seek(0);
      this.setPlaying(this.playing);
    },

    setPlaying(playing) {
      this.playing = playing;
      byId('play').textContent = playing ? 'Pause' : 'Play';
      this.both((element) => {
        element.playbackRate = Number(byId('rate').value);
        if (!element.getAttribute('src')) return;
        if (playing) element.play().catch(() => {});
        else element.pause();
      });
    },

    step(frames) {
      this.setPlaying(false);
      const duration = this.lead.duration || 0;
      const middle = (Math.floor(this.lead.currentTime / this.frameSeconds()) + frames + 0.5) * this.frameSeconds();
      this.seek(Math.min(Math.max(middle, 0), Math.max(duration - 0.01, 0)));
    },

    sameFrame() {
      const [a, b] = [this.times.get(this.lead), this.times.get(this.follow)];
      if (a === undefined || b === undefined) return !this.lead.requestVideoFrameCallback;
      return Math.abs(a - b) < this.frameSeconds() / 2;
    },

    paint() {
      const {lead, follow, canvas} = this;
      if (lead.readyState < 2 || follow.readyState < 2 || !this.sameFrame()) return;
      if (canvas.width !== lead.videoWidth || canvas.height !== lead.videoHeight) {
        canvas.width = lead.videoWidth;
        canvas.height = lead.videoHeight;
      }
      const context = canvas.getContext('2d');
      context.globalCompositeOperation = 'copy';
      context.drawImage(lead, 0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = 'difference';
      context.drawImage(follow, 0, 0, canvas.width, canvas.height);
      canvas.dataset.painted = 'yes';
    },

    watch(element) {
      if (!element.requestVideoFrameCallback) {
        element.addEventListener('timeupdate', () => this.paint());
        return;
      }
      const seen = (now, frame) => {
        this.times.set(element, frame.mediaTime);
        this.paint();
        element.requestVideoFrameCallback(seen);
      };
      element.requestVideoFrameCallback(seen);
    },

    // While playing, the follower is set right whenever it is more than half a frame away.
    keepTogether() {
      const {lead, follow} = this;
      if (this.playing && lead.readyState >= 2 && follow.readyState >= 2 && !follow.seeking &&
          Math.abs(lead.currentTime - follow.currentTime) > this.frameSeconds() / 2) {
        follow.currentTime = lead.currentTime;
      }
      if (lead.duration) byId('scrubber').value = lead.currentTime / lead.duration;
    },

    setGain(gain) {
      this.canvas.style.filter = `brightness(${gain})`;
      byId('gain-label').textContent = `×${gain}`;
    },

    start() {
      this.both((element) => {
        this.watch(element);
        element.addEventListener('loadeddata', () => {
          element.dataset.loaded = 'yes';
          // Small pictures stay pixels: smoothing would hide what differs.
          this.both((video) => video.classList.toggle('small', video.videoWidth > 0 && video.videoWidth < 240));
          this.canvas.classList.toggle('small', element.videoWidth < 240);
          this.canvas.style.aspectRatio = `${element.videoWidth} / ${element.videoHeight}`;
        });
        element.addEventListener('error', () => {
          if (!element.getAttribute('src') || byId('video-note').textContent) return;
          byId('video-note').textContent = `The video ${decodeURIComponent(element.getAttribute('src'))} ` +
              'is not beside this page or cannot be played; copy the folder with the page to see it.';
        });
      });
      this.lead.addEventListener('ended', () => { if (this.playing) this.restart(); });
      this.lead.addEventListener('timeupdate', () => this.keepTogether());
      byId('play').addEventListener('click', () => {
        if (!this.playing && this.lead.ended) this.seek(0);
        this.setPlaying(!this.playing);
      });
      byId('step-back').addEventListener('click', () => this.step(-1));
      byId('step-forward').addEventListener('click', () => this.step(1));
      byId('rate').addEventListener('change', () => this.setPlaying(this.playing));
      byId('gain').addEventListener('change', (event) => this.setGain(event.target.value));
      byId('scrubber').addEventListener('input', (event) => {
        this.setPlaying(false);
        this.seek(Number(event.target.value) * (this.lead.duration || 0));
      });
      this.setGain(byId('gain').value);
    },
  };

  // ---------------------------------------------------------------- table

  function sortTable(column, head) {
    const body = document.querySelector('#settings tbody');
    const ascending = head.getAttribute('aria-sort') !== 'ascending';
    for (const other of document.querySelectorAll('#settings thead th')) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const lines = [...body.rows].map((line) => ({line, key: line.cells[column].dataset.value}));
    const numeric = lines.every(({key}) => key === '' || !Number.isNaN(Number(key)));
    lines.sort((a, b) => {
      if (a.key === '' || b.key === '') return (a.key === '') - (b.key === '');  // unknown last
      const order = numeric ? Number(a.key) - Number(b.key) :
          a.key.localeCompare(b.key, undefined, {numeric: true});
      return ascending ? order : -order;
    });
    body.append(...lines.map(({line}) => line));
  }

  function csvOfTable() {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = [...byId('settings').rows].map((line) => [...line.cells].map(
        (cell) => quoted(cell.dataset.value || cell.textContent)).join(','));
    return `${lines.join('\n')}\n`;
  }

  function saveCsv() {
    const address = URL.createObjectURL(new Blob([csvOfTable()], {type: 'text/csv'}));
    saveLink(address, 'teacache-settings.csv');
    URL.revokeObjectURL(address);
  }

  // ---------------------------------------------------------------- start

  function listen() {
    byId('theme').addEventListener('click', () => { setTheme(!isDark()); drawAll(); });
    systemDark.addEventListener('change', (event) => { setTheme(event.matches); drawAll(); });
    byId('print').addEventListener('click', () => print());
    byId('csv').addEventListener('click', saveCsv);
    byId('setting').addEventListener('change', (event) => {
      select(rowById.get(event.target.value));
      writeHash();
    });
    byId('video').addEventListener('change', (event) => {
      select(state.row, event.target.value);
      writeHash();
    });
    for (const button of document.querySelectorAll('[data-save]')) {
      button.addEventListener('click', () => save(button.closest('.chart'), button.dataset.save));
    }
    for (const button of document.querySelectorAll('[data-x]')) {
      button.addEventListener('click', () => { state.x = button.dataset.x; drawAll(); });
    }
    document.querySelectorAll('#settings thead th').forEach((head, column) => {
      head.addEventListener('click', () => sortTable(column, head));
    });
    byId('settings').tBodies[0].addEventListener('click', (event) => {
      const line = event.target.closest('tr');
      if (!line || rowById.get(line.dataset.row).policy === 'none') return;
      select(rowById.get(line.dataset.row));
      writeHash();
    });
    addEventListener('beforeprint', () => preparePrint());
    addEventListener('afterprint', () => afterPrint());
  }

  // Paper is white, whatever the screen shows, and narrower: the drawings become scalable.
  let darkBefore = false;

  function preparePrint() {
    darkBefore = isDark();
    if (darkBefore) {
      setTheme(false);
      drawAll();
    }
    for (const svg of document.querySelectorAll('.plot .main-svg')) {
      const [width, height] = [svg.getAttribute('width'), svg.getAttribute('height')];
      svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
      svg.parentElement.closest('.svg-container').style.aspectRatio = `${width} / ${height}`;
    }
  }

  function afterPrint() {
    for (const svg of document.querySelectorAll('.plot .main-svg')) svg.removeAttribute('viewBox');
    if (darkBefore) {
      setTheme(true);
      drawAll();
    }
  }

  setTheme(hash.has('theme') ? hash.get('theme') === 'dark' : systemDark.matches);
  listen();
  player.start();
  fillSettingPicker();
  const row = firstRow();
  if (row) select(row, firstVideo(row));
  drawAll().then(() => { document.documentElement.dataset.ready = 'yes'; });
})();
