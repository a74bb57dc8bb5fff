// End-to-end tests of the pages in Chromium, against a real sandbox:
//
//	npm run e2e                                   starts one, and ends it
//	npm run e2e -- http://127.0.0.1:3000 [DIR]    takes one that runs; pictures of its pages go to DIR
//
// CHROMIUM names the browser, /usr/bin/chromium where it is not set. ONLY is a regular expression of tests' names.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startSandbox, until } from './sandbox.mjs';

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const [given, pictures] = process.argv.slice(2);
const own = given ? undefined : await startSandbox();
const base = given ?? own.base;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});
const only = new RegExp(process.env.ONLY ?? '');
let failed = 0, passed = 0;

/** Runs one test; where another program changes the machine's network (containers do), Chromium drops requests, and it runs again. */
async function test(name, run, options = {}) {
  if (!only.test(name)) {
    return;
  }
  const began = Date.now();
  let faults = await attempt(run, options);
  for (let again = 0; again < 3 && faults.some((f) => f.includes('net::ERR_NETWORK_CHANGED')); again += 1) {
    console.log(`again ${name}: the machine's network has changed`);
    faults = await attempt(run, options);
  }
  if (faults.length === 0) {
    passed++;
    console.log(`pass  ${name} (${Date.now() - began} ms)`);
  } else {
    failed++;
    console.log(`FAIL  ${name}\n      ${faults.join('\n').split('\n').join('\n      ')}`);
  }
}

/** Runs a test on a page of its own and says what was wrong; errors of the page are, too. */
async function attempt(run, options) {
  const context = await browser.newContext({ viewport: { width: 1500, height: 1100 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // on a busy machine, too
  const errors = [];
  page.on('pageerror', (e) => errors.push(`the page fails: ${e}`));
  page.on('console', (m) => m.type() === 'error' && !options.refused?.test(m.text()) && errors.push(`the page complains: ${m.text()} ${m.location().url}`));
  page.on('requestfailed', (r) => r.failure()?.errorText !== 'net::ERR_ABORTED' && errors.push(`${r.failure()?.errorText} ${r.url()}`));
  const faults = [];
  try {
    await run(page);
  } catch (e) {
    faults.push(String(e.message ?? e));
  }
  await context.close();
  return [...faults, ...errors];
}

const settled = (page) => page.waitForFunction(() => {
  const all = [...document.querySelectorAll('[data-panel]')];
  return all.length > 0 && all.filter((p) => p.getBoundingClientRect().top < innerHeight).every((p) => /Done|Error/.test(p.dataset.state));
});

async function picture(page, name) {
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(pictures, name + '.png') });
  }
}

/** What axe finds against WCAG 2.1 A and AA; charts are canvases of which the legend, and the tables elsewhere, tell in words. */
async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  assert.deepEqual(found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary.split('\n').slice(1).join(' ').trim()}`)), []);
}

const query = async (expr) => {
  const res = await fetch(`${base}/api/datasources/proxy/uid/prometheus/api/v1/query?` + new URLSearchParams({ query: expr }));
  return (await res.json()).data.result;
};

// Something has to be wrong for pages to show it.
const broken = await fetch(`${base}/api/faults/schema-violations?for=20m`, { method: 'PUT' });
assert.ok(broken.ok, 'a fault is set');
await until('rates of what the platform exposes', async () => (await query('sum(rate(collector_messages_received_total[1m])) > 0')).length > 0);
await until('log lines with errors', async () => {
  const res = await fetch(`${base}/api/datasources/proxy/uid/elasticsearch/logs-*/_search?q=level:ERROR&size=1`);
  return (await res.json()).hits.total.value > 0;
});

const boards = await (await fetch(base + '/api/search')).json();
assert.equal(boards.length, 6, 'six dashboards');
const pages = [['/', 'Status'], ['/alerting', 'Alerts'], ['/explore?kind=metrics&query=up', 'Explore'], ['/explore?kind=logs', 'Explore'], ['/explore?kind=traces&query=flink', 'Explore'],
  ...boards.map((b) => [`/d/${b.uid}`, b.title])];

for (const scheme of ['dark', 'light']) {
  for (const [path, title] of pages) {
    await test(`${path} is drawn, and accessible (${scheme})`, async (page) => {
      await page.goto(base + path);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      if (path.startsWith('/d/')) {
        await settled(page);
        assert.deepEqual(await page.locator('[data-state="Error"]').evaluateAll((all) => all.map((p) => p.dataset.error)), []);
      } else {
        await page.waitForLoadState('networkidle');
      }
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), scheme);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the page');
      assert.equal(await page.locator('main').count(), 1);
      assert.equal(await page.locator('h1').count(), 1, 'one first heading');
      await accessible(page);
      await picture(page, `${title.toLowerCase().replaceAll(' ', '-')}${path.includes('kind=') ? '-' + /kind=(\w+)/.exec(path)[1] : ''}-${scheme}`);
    }, { colorScheme: scheme });
  }
}

await test('narrow pages are not wider than the screen', async (page) => {
  for (const [path] of pages) {
    await page.goto(base + path);
    await page.locator('h1').waitFor();
    await page.waitForLoadState('networkidle');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path);
  }
}, { viewport: { width: 420, height: 900 } });

await test('a time range is chosen, kept in the address, from one page to the next, and gone back from', async (page) => {
  await page.goto(base + '/d/overview');
  await settled(page);
  await page.getByRole('button', { name: /Time range selected/ }).click();
  await page.getByText('Last 15 minutes', { exact: true }).click();
  await page.waitForURL(/from=now-15m/);
  await settled(page);
  await page.getByRole('link', { name: 'Storage layer' }).click();
  await page.waitForURL(/\/d\/storage\?from=now-15m/);
  await page.goBack();
  await page.goBack();
  await page.getByText('Last 1 hour').first().waitFor();
});

await test('times are those of the zone that is chosen', async (page) => {
  // How far the newest log line is from now, read as a time of an offset.
  const age = async (offset) => Math.abs(Date.parse((await page.locator('.log time').first().innerText()).replace(' ', 'T') + offset) - Date.now());
  await page.goto(base + '/explore?kind=logs');
  await page.locator('.log').first().waitFor();
  assert.ok(await age('+09:00') < 600_000, 'the browser is in Tokyo');
  await page.getByRole('button', { name: /Time range selected/ }).click();
  await page.getByRole('button', { name: 'Change time settings' }).click();
  await page.getByRole('combobox', { name: /Time zone picker/i }).click();
  await page.getByText('Coordinated Universal Time').last().click();
  await page.waitForURL(/timezone=utc/);
  await until('the lines are told in UTC', async () => await age('Z') < 600_000);
}, { timezoneId: 'Asia/Tokyo' });

await test('the legend shows one series, and all again', async (page) => {
  await page.goto(base + '/d/collection');
  await settled(page);
  const legend = page.locator('[data-panel="1"]').getByRole('button', { name: 'shipping-collector', exact: true });
  await legend.click();
  await page.locator('[data-panel="1"]').getByRole('button', { name: 'Only shipping-collector selected' }).first().waitFor();
  await page.locator('[data-panel="1"]').getByRole('button', { name: 'Only shipping-collector selected' }).first().click();
  await legend.waitFor();
});

await test('dragging over a chart looks closer', async (page) => {
  await page.goto(base + '/d/overview');
  await settled(page);
  const chart = await page.locator('[data-panel="3"] .u-over').boundingBox();
  await page.mouse.move(chart.x + chart.width * 0.5, chart.y + 40);
  await page.mouse.down();
  await page.mouse.move(chart.x + chart.width * 0.9, chart.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
});

await test('refreshing asks again', async (page) => {
  await page.goto(base + '/d/overview?refresh=');
  await settled(page);
  const asked = page.waitForRequest((r) => r.url().includes('/query_range'));
  await page.getByRole('button', { name: 'Refresh', exact: true }).click();
  await asked;
});

await test('a variable narrows a dashboard to several values, by keyboard alone', async (page) => {
  await page.goto(base + '/d/collection');
  await settled(page);
  await page.getByRole('button', { name: 'Service All' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('checkbox', { name: 'shipping-collector' }).focus();
  await page.keyboard.press('Space');
  await page.getByRole('checkbox', { name: 'supplier-collector' }).focus();
  await page.keyboard.press('Space');
  const asked = page.waitForRequest((r) => r.method() === 'POST' && decodeURIComponent(r.postData() ?? '').includes('(shipping-collector|supplier-collector)'));
  await page.keyboard.press('Escape');
  await page.waitForURL(/var-service=shipping-collector&var-service=supplier-collector/);
  await asked;
});

await test('a tooltip names the series, a link leads to the log lines of its service, and they to a trace and back', async (page) => {
  await page.goto(base + '/d/collection');
  await settled(page);
  const chart = await page.locator('[data-panel="1"] .u-over').boundingBox();
  await page.mouse.move(chart.x + chart.width - 6, chart.y + chart.height - 8);
  await page.locator('.tooltip-row').first().waitFor();
  assert.match(await page.locator('.tooltip').innerText(), /shipping-collector/);
  await page.locator('[data-panel="1"] details.links summary').click();
  await page.getByRole('link', { name: 'Log lines of shipping-collector' }).first().click();
  await page.waitForURL(/\/explore\?.*panes=/);
  await page.getByRole('list', { name: 'Log lines' }).waitFor();
  await page.locator('.log').first().waitFor();
  assert.deepEqual([...new Set(await page.locator('.log-service').allInnerTexts())], ['shipping-collector']);
  await picture(page, 'explore-logs');
  const lines = page.locator('.log-line');
  const trace = page.getByRole('link', { name: 'Open the trace' });
  for (let i = Math.floor(await lines.count() / 2); await trace.count() === 0; i += 1) { // not every line is of a trace
    await lines.nth(i).click();
  }
  const id = new URL(await trace.first().getAttribute('href'), base).searchParams.get('trace');
  await until('Jaeger has the trace', async () => (await fetch(`${base}/api/datasources/proxy/uid/jaeger/api/traces/${id}`)).ok);
  await trace.first().click();
  await page.locator('.span').first().waitFor();
  assert.ok(await page.locator('.span').count() > 2, 'a trace has spans');
  await page.locator('.span-title').nth(1).click();
  await page.locator('.span-details').waitFor();
  await accessible(page);
  await picture(page, 'explore-trace');
  await page.getByRole('link', { name: 'its log lines' }).click();
  await page.locator('.log').first().waitFor();
});

await test('firing alerts are marked in the charts', async (page) => {
  await until('an alert fires', async () => (await query('ALERTS{alertstate="firing"}')).length > 0);
  const marked = page.waitForResponse((r) => decodeURIComponent(r.request().postData() ?? '').includes('ALERTS{alertstate="firing"') && r.url().includes('query_range'));
  await page.goto(base + '/d/overview?from=now-5m&to=now');
  assert.ok((await (await marked).json()).data.result.length > 0);
  await settled(page);
});

await test('pages are reached by keyboard', async (page) => {
  await page.goto(base + '/d/overview');
  await settled(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.getByRole('link', { name: 'Storage layer' }).focus();
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', 'focus is seen');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Storage layer' }).waitFor();
});

await test('PromQL is completed, asked and drawn', async (page) => {
  await page.goto(base + '/explore');
  await page.locator('.cm-content').click();
  await page.keyboard.type('collector_messages_rec');
  await page.locator('.cm-tooltip-autocomplete').getByText('collector_messages_received_total').waitFor();
  // A list that has only just opened does not take Enter yet: a typist may mean the query.
  await until('the completion is taken', async () => {
    await page.keyboard.press('Enter');
    return (await page.locator('.cm-content').textContent()) === 'collector_messages_received_total';
  });
  await page.keyboard.type('{');
  await page.locator('.cm-tooltip-autocomplete').getByText('service', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('sum by (job) (rate(collector_messages_received_total[$__rate_interval]))');
  await page.keyboard.press('Escape'); // the completion's list
  await page.locator('.cm-tooltip-autocomplete').waitFor({ state: 'detached' });
  await page.keyboard.press('Enter');
  await page.locator('.u-over').first().waitFor();
  await page.getByRole('region', { name: 'Series' }).getByText('shipping-collector').waitFor();
  assert.equal(await page.locator('.cm-lintRange-error').count(), 0, "Grafana's variables are no mistakes");
  await picture(page, 'explore-metrics');
});

await test('what Prometheus refuses is said', async (page) => {
  await page.goto(base + '/explore?kind=metrics&query=' + encodeURIComponent('rat(up)'));
  await page.getByRole('alert').getByText(/unknown function/).waitFor();
}, { refused: /400/ });

await test('log lines are narrowed by a field', async (page) => {
  await page.goto(base + '/explore?kind=logs');
  // Not all lines say a level: some are of no structure.
  await page.locator('.log-line', { has: page.locator('.log-level:not(:empty)') }).first().click();
  await page.getByRole('button', { name: 'Only lines with this level' }).click();
  await page.waitForURL(/query=level/);
  // Until the answer comes, the lines of before are shown.
  await until('all lines are of one level', async () => new Set(await page.locator('.log-level').allInnerTexts()).size === 1);
});

await test('a fault is set and mended', async (page) => {
  await page.goto(base + '/');
  await page.getByText('prometheus').first().waitFor();
  await until('every component is ready', async () => await page.locator('.state-ready').count() === await page.locator('.columns table tbody tr').count());
  await page.getByLabel('Break').selectOption('cache-cold');
  await page.getByRole('button', { name: 'Break it' }).click();
  const row = page.locator('.faults li', { hasText: 'cache-cold' }).first();
  await row.waitFor();
  await row.getByRole('button', { name: 'Mend' }).click();
  await row.waitFor({ state: 'detached' });
  await picture(page, 'status');
});

await test('an alert is silenced, and the silence ended', async (page) => {
  await until('an alert has come to Alertmanager', async () => (await (await fetch(`${base}/api/datasources/proxy/uid/alertmanager/api/v2/alerts`)).json()).length > 0);
  await page.goto(base + '/alerting');
  await page.getByRole('button', { name: /^Silence / }).first().click();
  await page.getByLabel('because').fill('the test says so');
  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const row = page.locator('tr', { hasText: 'the test says so' }).first();
  await row.waitFor();
  await page.locator('.state-silenced').first().waitFor();
  await picture(page, 'alerting');
  await row.getByRole('button', { name: 'End it' }).click();
  await page.locator('.state-active').waitFor({ state: 'detached' });
});

await test('notifications are listed', async (page) => {
  await until('a notification was sent', async () => (await (await fetch(base + '/api/status')).json()).notifications?.length > 0);
  await page.goto(base + '/alerting');
  await page.locator('.notifications li').first().waitFor();
});

await browser.close();
if (own) {
  await own.stop();
} else {
  await fetch(`${base}/api/faults/schema-violations`, { method: 'DELETE' });
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
