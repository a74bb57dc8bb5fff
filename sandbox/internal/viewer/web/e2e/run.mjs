// End-to-end test of the pages in Chromium, against a sandbox that runs:
//
//	npm run e2e -- http://127.0.0.1:3000 [directory for pictures]
//
// CHROMIUM names the browser, /usr/bin/chromium where it is not set.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base = 'http://127.0.0.1:3000', pictures] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
let failed = 0, passed = 0;

/** Runs one test on a page of its own; errors of the page are failures, too. */
async function test(name, run, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1500, height: 1100 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (e) => errors.push(`the page fails: ${e}`));
  page.on('console', (m) => m.type() === 'error' && errors.push(`the page complains: ${m.text()} ${m.location().url}`));
  page.on('requestfailed', (r) => r.failure()?.errorText !== 'net::ERR_ABORTED' && errors.push(`${r.failure()?.errorText} ${r.url()}`));
  const began = Date.now();
  try {
    await run(page);
    assert.deepEqual(errors, []);
    passed++;
    console.log(`pass  ${name} (${Date.now() - began} ms)`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n      ${String(e.message ?? e).split('\n').join('\n      ')}`);
  }
  await context.close();
}

const settled = (page) => page.waitForFunction(() => {
  const all = [...document.querySelectorAll('[data-panel]')];
  return all.length > 0 && all.filter((p) => p.getBoundingClientRect().top < innerHeight).every((p) => /Done|Error/.test(p.dataset.state));
}, undefined, { timeout: 20_000 });

async function picture(page, name) {
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(pictures, name + '.png') });
  }
}

const boards = await (await fetch(base + '/api/search')).json();
assert.equal(boards.length, 6, 'six dashboards');

for (const scheme of ['dark', 'light']) {
  for (const { uid, title } of boards) {
    await test(`${title} is drawn (${scheme})`, async (page) => {
      await page.goto(`${base}/d/${uid}`);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      await settled(page);
      assert.deepEqual(await page.locator('[data-state="Error"]').evaluateAll((all) => all.map((p) => p.dataset.error)), []);
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), scheme);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the page');
      await picture(page, `${uid}-${scheme}`);
    }, { colorScheme: scheme });
  }
}

await test('the page is interactive in under a second', async (page) => {
  await page.goto(base + '/d/overview'); // the browser has compiled the scripts then, as for anybody who works with it
  await settled(page);
  const began = Date.now();
  await page.goto(base + '/d/overview');
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  const took = Date.now() - began;
  console.log(`      interactive after ${took} ms`);
  assert.ok(took < Number(process.env.INTERACTIVE_MS ?? 1000), `it took ${took} ms`);
});

await test('a time range is chosen, kept in the address, and gone back from', async (page) => {
  await page.goto(base + '/d/overview');
  await settled(page);
  await page.getByRole('button', { name: /Time range selected/ }).click();
  await page.getByText('Last 15 minutes', { exact: true }).click();
  await page.waitForURL(/from=now-15m/);
  await settled(page);
  await page.goBack();
  await page.getByText('Last 1 hour').first().waitFor();
});

await test('a variable narrows a dashboard', async (page) => {
  await page.goto(base + '/d/collection');
  await settled(page);
  await page.getByLabel('Service').selectOption('shipping-collector');
  await page.waitForURL(/var-service=shipping-collector/);
  const asked = await page.waitForRequest((r) => r.method() === 'POST' && (r.postData() ?? '').includes('shipping-collector'));
  assert.ok(asked);
});

await test('a tooltip names the series, and leads to the log lines of its service', async (page) => {
  await page.goto(base + '/d/collection');
  await settled(page);
  const chart = await page.locator('[data-panel="1"] .u-over').boundingBox();
  await page.mouse.move(chart.x + chart.width - 30, chart.y + chart.height - 8);
  await page.locator('.tooltip-row').first().waitFor();
  assert.match(await page.locator('.tooltip').innerText(), /shipping-collector/);
  await page.locator('[data-panel="1"] details.links summary').click();
  await page.getByRole('link', { name: 'Log lines of shipping-collector' }).first().click();
  await page.waitForURL(/\/explore\?.*panes=/);
  await page.getByRole('list', { name: 'Log lines' }).waitFor({ timeout: 15_000 });
  assert.ok(await page.locator('.log').count() > 0, 'there are lines');
  assert.deepEqual([...new Set(await page.locator('.log-service').allInnerTexts())], ['shipping-collector']);
  await picture(page, 'explore-logs');
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

await test('whatever can be operated has a name', async (page) => {
  for (const path of ['/', '/alerting', '/explore', '/d/collection']) {
    await page.goto(base + path);
    await page.waitForLoadState('networkidle');
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a[href], select, input, summary')]
      .filter((e) => e.offsetParent !== null && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title || e.textContent.trim() || e.labels?.length || e.getAttribute('placeholder')))
      .map((e) => e.outerHTML.slice(0, 120)));
    assert.deepEqual(nameless, [], path);
    assert.equal(await page.locator('main').count(), 1);
    assert.equal(await page.locator('h1').count(), 1, `${path} has one first heading`);
  }
});

await test('PromQL is asked and drawn', async (page) => {
  await page.goto(base + '/explore');
  await page.locator('.cm-content').click();
  await page.keyboard.type('sum by (job) (up)');
  await page.keyboard.press('Escape'); // the completion's list
  await page.keyboard.press('Enter');
  await page.locator('.u-over').first().waitFor({ timeout: 10_000 });
  await picture(page, 'explore-metrics');
});

await test('alerts and what runs are shown', async (page) => {
  await page.goto(base + '/alerting');
  await page.locator('h1').waitFor();
  await picture(page, 'alerting');
  await page.goto(base + '/');
  await page.getByText('prometheus').first().waitFor();
  await picture(page, 'status');
});

await browser.close();
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
