// A vertical line and the values under the pointer, on every chart.
for (const chart of document.querySelectorAll('.chart')) {
  const svg = chart.querySelector('svg'), cursor = chart.querySelector('.cursor'), tip = chart.querySelector('.tip');
  const { axis, left, width, total, from, to, series } = JSON.parse(chart.dataset.points);
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    const at = from + ((event.clientX - box.left) / box.width * total - left) / width * (to - from);
    const nearest = series.map(one => one.points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
    const place = nearest.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a)[0];
    const x = left + (to > from ? (place - from) / (to - from) : 0) * width;
    cursor.setAttribute('x1', x);
    cursor.setAttribute('x2', x);
    tip.textContent = [`${axis} ${+place.toFixed(2)}`, ...nearest.map((point, i) => `${series[i].name}  ${point[2]}`)].join('\n');
    const offset = svg.offsetLeft + x / total * box.width;
    tip.style.left = offset > chart.clientWidth / 2 ? 'auto' : `${offset + 12}px`;
    tip.style.right = offset > chart.clientWidth / 2 ? `${chart.clientWidth - offset + 12}px` : 'auto';
    tip.style.top = `${svg.offsetTop + 16}px`;
    cursor.style.visibility = tip.style.visibility = 'visible';
  });
  svg.addEventListener('pointerleave', () => { cursor.style.visibility = tip.style.visibility = 'hidden'; });
}
