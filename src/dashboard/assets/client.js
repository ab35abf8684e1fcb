// The dashboard's script. The page works without it; with it, values and tables follow the relay, and actions can be asked for.

(() => {
	/** Tables are asked for after each sample whose number is a multiple of this: by all pages at the same time, for which they are made once. */
	const TABLES_EVERY = 3;
	/** How long after a sample the page asks for it, at most: not all at once. */
	const SPREAD_MS = 100;
	const RETRY_MS = 3_000;
	/** After as many failed polls in a row, the page says that it is old. */
	const FAILURES_SHOWN = 3;
	const SAMPLES_MAX = 300;
	/** Reasons that have a line of their own in the chart; the others share one. */
	const REASONS_MAX = 5;
	const SEARCH_DELAY_MS = 250;
	const KEPT_MS = 1_000;
	const MIB = 1024 * 1024;
	const GIB = 1024 * MIB;

	const byId = (id) => document.getElementById(id);

	/** Makes an element. All text is set as text. */
	const element = (name, { className = "", text = "", attributes = {} } = {}, children = []) => {
		const made = document.createElement(name);
		if (className !== "") made.className = className;
		if (text !== "") made.textContent = text;
		for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
		made.append(...children);
		return made;
	};

	// ---- Live values ----

	const rows = [];
	let columns = [];
	let lastMs = 0;
	let failures = 0;

	const setText = (target, text) => {
		if (target !== null && target.textContent !== text) target.textContent = text;
	};

	const durationOf = (ms) => {
		const minutes = Math.floor(ms / 60_000);
		if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
		if (minutes < 60) return `${minutes} min`;
		const hours = Math.floor(minutes / 60);
		return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
	};

	const showStatus = ({ level, headline, problems, tiles, sinceMs, atMs }) => {
		byId("status").className = level;
		setText(byId("headline"), headline);
		document.title = `standpipe: ${headline}`;
		const since = new Date(sinceMs).toISOString().slice(0, 19).replace("T", " ");
		setText(byId("since"), `${since} UTC, for ${durationOf(atMs - sinceMs)}`);
		const items = problems.map(({ text, advice }) =>
			element("li", {}, [element("strong", { text }), document.createTextNode(` ${advice}`)]),
		);
		byId("problems").replaceChildren(...items);
		for (const { name, text, note } of tiles) {
			const tile = document.querySelector(`[data-tile="${CSS.escape(name)}"]`);
			if (tile === null) continue;
			setText(tile.querySelector(".value"), text);
			setText(tile.querySelector(".note"), note);
		}
	};

	const showStale = (isStale) => {
		const note = byId("stale");
		note.hidden = !isStale;
		setText(note, isStale ? "The relay does not answer: what stands here is old." : "");
	};

	/** Asks for what is new. Returns after how many ms to ask again. */
	const poll = async () => {
		let nextMs = RETRY_MS;
		try {
			const response = await fetch(`dashboard/live?since=${lastMs}`, { signal: AbortSignal.timeout(10_000) });
			if (!response.ok) throw new Error(String(response.status));
			const live = await response.json();
			failures = 0;
			nextMs = live.nextMs + SPREAD_MS * Math.random();
			columns = live.columns;
			// A relay that was started anew may have a clock that is behind.
			if (live.status.atMs < lastMs) rows.length = 0;
			rows.push(...live.rows);
			rows.splice(0, rows.length - SAMPLES_MAX);
			lastMs = live.status.atMs;
			showStatus(live.status);
			if (live.rows.length > 0) drawCharts();
			if (live.rows.length > 0 && live.sample % TABLES_EVERY === 0) refreshTables();
		} catch {
			failures++;
		}
		showStale(failures >= FAILURES_SHOWN);
		return nextMs;
	};

	// ---- Charts ----

	const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

	const columnOf = (name) => {
		const at = columns.indexOf(name);
		return rows.map((row) => row[at]);
	};
	const dividedBy = (divisor, values) => values.map((value) => (value === null ? null : value / divisor));

	const line = (label, color, values, unit, digits = 0) => ({ label, color, values, unit, digits });

	/** The rejections by reason: the reasons with most of them, and the rest as one line. */
	const rejectionLines = () => {
		const byReason = rows.map((row) => row[columns.length] ?? {});
		const totals = new Map();
		for (const rates of byReason)
			for (const [reason, rate] of Object.entries(rates)) totals.set(reason, (totals.get(reason) ?? 0) + rate);
		const reasons = [...totals].sort((a, b) => b[1] - a[1]).map(([reason]) => reason);
		const shown = reasons.slice(0, REASONS_MAX);
		const lines = shown.map((reason, at) =>
			line(
				reason,
				`line${at + 1}`,
				byReason.map((rates) => rates[reason] ?? 0),
				"/s",
				1,
			),
		);
		if (reasons.length > shown.length || lines.length === 0) {
			const rest = byReason.map((rates) =>
				Object.entries(rates).reduce((sum, [reason, rate]) => sum + (shown.includes(reason) ? 0 : rate), 0),
			);
			lines.push(line(lines.length === 0 ? "rejected" : "others", "line6", rest, "/s", 1));
		}
		return lines;
	};

	const CHART_LINES = {
		events: () => [
			line("in", "line1", columnOf("receivedPerS"), "/s"),
			line("sequenced", "line2", columnOf("sequencedPerS"), "/s"),
			line("out", "line3", columnOf("deliveredPerS"), "/s"),
		],
		latency: () => [
			line("p50", "line2", columnOf("p50Ms"), " ms", 1),
			line("p99", "line1", columnOf("p99Ms"), " ms", 1),
		],
		rejections: rejectionLines,
		memory: () => [
			line("resident", "line1", dividedBy(MIB, columnOf("residentBytes")), " MiB"),
			line("heaps", "line2", dividedBy(MIB, columnOf("heapBytes")), " MiB"),
			line("files", "line3", dividedBy(MIB, columnOf("fileBytes")), " MiB"),
		],
		disk: () => [
			line("log", "line1", dividedBy(GIB, columnOf("logBytes")), " GiB", 2),
			line("free", "line2", dividedBy(GIB, columnOf("diskFreeBytes")), " GiB", 2),
		],
	};

	/** By their names: the chart that is shown, and the labels of its lines. */
	const charts = new Map();
	const CHART_HEIGHT = 180;

	const valueText = (value, { unit, digits }) =>
		value === null || value === undefined
			? "–"
			: `${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}${unit}`;

	const clockText = (seconds, hasSeconds) =>
		new Date(seconds * 1000).toLocaleTimeString("en-GB", {
			hour: "2-digit",
			minute: "2-digit",
			...(hasSeconds ? { second: "2-digit" } : {}),
		});
	const MINUTE_S = 60;

	const makeChart = (target, lines, data) => {
		const axis = { stroke: colorOf("muted"), grid: { stroke: colorOf("grid"), width: 1 }, ticks: { show: false } };
		const series = lines.map((one) => ({
			label: one.label,
			stroke: colorOf(one.color),
			width: 1.5,
			points: { show: false },
			value: (chart, value, at) => {
				const values = chart.data[at];
				return valueText(value ?? values?.[values.length - 1], one);
			},
		}));
		const options = {
			width: Math.max(target.clientWidth, 200),
			height: CHART_HEIGHT,
			series: [{}, ...series],
			axes: [
				{
					...axis,
					space: 76,
					size: 32,
					values: (_chart, splits, _axis, _space, stepS) => splits.map((split) => clockText(split, stepS < MINUTE_S)),
				},
				{ ...axis, size: 56 },
			],
			scales: { y: { range: (_chart, _min, max) => [0, Math.max((max ?? 0) * 1.1, 1)] } },
			cursor: { drag: { x: false, y: false } },
			legend: { live: true },
		};
		target.replaceChildren();
		return new uPlot(options, data, target);
	};

	const drawCharts = () => {
		const times = columnOf("atMs").map((ms) => ms / 1000);
		for (const target of document.querySelectorAll("[data-chart]")) {
			const name = target.dataset.chart;
			const lines = CHART_LINES[name]();
			const data = [times, ...lines.map(({ values }) => values)];
			const labels = lines.map(({ label }) => label).join();
			const known = charts.get(name);
			if (known !== undefined && known.labels === labels) known.chart.setData(data);
			else {
				known?.chart.destroy();
				charts.set(name, { chart: makeChart(target, lines, data), labels });
			}
		}
	};

	const redrawCharts = () => {
		for (const { chart } of charts.values()) chart.destroy();
		charts.clear();
		if (rows.length > 0) drawCharts();
	};

	const resizeCharts = () => {
		for (const target of document.querySelectorAll("[data-chart]"))
			charts
				.get(target.dataset.chart)
				?.chart.setSize({ width: Math.max(target.clientWidth, 200), height: CHART_HEIGHT });
	};

	// ---- Tables ----

	/** The parameters by which each part was last asked for. */
	const asked = new Map();
	/** Counts what is asked for, so that a late answer does not replace a newer one. */
	const turns = new Map();

	const PARAMETERS = {
		why: ["why"],
		hosts: ["q", "state", "sort", "page"],
		consumers: ["csort", "cpage"],
		rejections: [],
		audit: ["before"],
	};

	const parametersOf = (name, search) => {
		const given = new URLSearchParams(search);
		const own = PARAMETERS[name].filter((key) => given.has(key)).map((key) => [key, given.get(key)]);
		return new URLSearchParams(own).toString();
	};

	for (const name of Object.keys(PARAMETERS)) asked.set(name, parametersOf(name, location.search));

	/** Shows a part of the page as the relay makes it. The relay has escaped what strangers wrote. */
	const load = async (name) => {
		const turn = (turns.get(name) ?? 0) + 1;
		turns.set(name, turn);
		const target = byId(`${name}-content`);
		if (target === null) return;
		try {
			const response = await fetch(`dashboard/${name}?${asked.get(name)}`, { signal: AbortSignal.timeout(20_000) });
			const text = await response.text();
			if (turns.get(name) !== turn) return;
			if (response.ok) replace(target, text);
			else target.replaceChildren(element("p", { className: "none", text: messageOf(text) }));
		} catch {
			// The line about the relay that does not answer says it.
		}
	};

	/** The frame of a table keeps its place and the focus. */
	const replace = (target, text) => {
		const frame = target.querySelector(".frame");
		const place = { left: frame?.scrollLeft ?? 0, top: frame?.scrollTop ?? 0 };
		const isFocused = frame !== null && frame === document.activeElement;
		target.innerHTML = text;
		const now = target.querySelector(".frame");
		now?.scrollTo({ ...place, behavior: "instant" });
		if (isFocused) now?.focus({ preventScroll: true });
	};

	const messageOf = (text) => {
		try {
			const { message } = JSON.parse(text);
			return typeof message === "string" ? message : text.slice(0, 200);
		} catch {
			return text.slice(0, 200);
		}
	};

	/** The tables that are on the screen. Others are brought up to date when they come into view. */
	const seen = new Set();
	const observer = new IntersectionObserver((changes) => {
		for (const { target, isIntersecting } of changes) {
			if (isIntersecting) seen.add(target);
			else seen.delete(target);
		}
		refreshTables(changes.filter(({ isIntersecting }) => isIntersecting).map(({ target }) => target));
	});

	const refreshTables = (targets = seen) => {
		for (const target of targets) {
			const isUsed = target.contains(document.activeElement) && !document.activeElement.classList.contains("frame");
			const isSelected = target.contains(getSelection()?.anchorNode ?? null) && !getSelection().isCollapsed;
			if (!isUsed && !isSelected) void load(target.dataset.refresh);
		}
	};

	const partOf = (search) => Object.keys(PARAMETERS).find((name) => PARAMETERS[name].some((key) => search.has(key)));

	const show = (name, parameters) => {
		asked.set(name, parameters);
		const all = [...asked.values()].filter((text) => text !== "").join("&");
		history.replaceState(null, "", all === "" ? location.pathname : `?${all}`);
		return load(name);
	};

	document.addEventListener("click", (event) => {
		const link = event.target.closest("a[href^='?']");
		if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
		const url = new URL(link.href);
		const name = partOf(url.searchParams) ?? (url.hash === "#audit" ? "audit" : undefined);
		if (name === undefined) return;
		event.preventDefault();
		const isInPart = link.closest(`#${name}`) !== null;
		if (name === "why") byId("why-subject").value = url.searchParams.get("why");
		void show(name, parametersOf(name, url.search)).then(() => {
			const part = byId(name);
			if (!isInPart) part.scrollIntoView();
			const again = isInPart ? part.querySelector(`a[href="${CSS.escape(link.getAttribute("href"))}"]`) : null;
			(again ?? part.querySelector(".frame, input"))?.focus({ preventScroll: true });
		});
		if (name === "hosts") document.querySelector("#hosts input[name=sort]").value = url.searchParams.get("sort");
	});

	const showForm = (form) => {
		const name = form.dataset.fragment;
		void show(name, parametersOf(name, `?${new URLSearchParams(new FormData(form))}`));
	};

	for (const form of document.querySelectorAll("form[data-fragment]")) {
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			showForm(form);
		});
		if (form.dataset.live === undefined) continue;
		let timer;
		form.addEventListener("input", () => {
			clearTimeout(timer);
			timer = setTimeout(() => showForm(form), SEARCH_DELAY_MS);
		});
	}

	// ---- Actions ----

	const field = (name, label, type = "text", isRequired = true) => ({ name, label, type, isRequired });
	const HOST = field("host", "Host");
	const DID = field("did", "DID");
	const query = (values) => new URLSearchParams(values).toString();

	/** The body of a change of limits. Numbers are texts, empty if they were left out. */
	const limitsOf = (host, accounts, events, isGeneral) => {
		const given = events.filter((text) => text !== "");
		if (given.length > 0 && given.length < events.length) throw new Error("Give all three event limits, or none.");
		const body = { host };
		if (accounts !== "" || isGeneral) body.repo_limit = accounts === "" ? null : Number(accounts);
		if (given.length > 0) {
			const [second, hour, day] = events.map(Number);
			body.event_limits = { per_second: second, per_hour: hour, per_day: day };
		} else if (isGeneral) body.event_limits = null;
		return body;
	};

	/** What each action asks for, says, and sends to the admin API. */
	const ACTIONS = {
		requestCrawl: {
			title: "Follow a host",
			text: "The relay connects to the host now, and follows it from then on.",
			fields: [HOST],
			send: ({ host }) => ["/admin/pds/requestCrawl", { hostname: host }],
		},
		block: {
			title: "Block a host",
			text: "The connection to the host ends, and no message of it passes until it is unblocked.",
			fields: [HOST],
			send: ({ host }) => [`/admin/pds/block?${query({ host })}`],
		},
		unblock: {
			title: "Unblock a host",
			text: "The relay follows the host again.",
			fields: [HOST],
			send: ({ host }) => [`/admin/pds/unblock?${query({ host })}`],
		},
		banDomain: {
			title: "Block a domain",
			text: "All hosts of the domain, and of what is below it, are refused, and their connections end.",
			fields: [field("domain", "Domain")],
			send: ({ domain }) => ["/admin/subs/banDomain", { Domain: domain }],
		},
		unbanDomain: {
			title: "Unblock a domain",
			text: "The relay follows the hosts of the domain again.",
			fields: [field("domain", "Domain")],
			send: ({ domain }) => ["/admin/subs/unbanDomain", { Domain: domain }],
		},
		limits: {
			title: "Change a host's limits",
			text: "What is left empty stays as it is. Event limits are given all three, or none.",
			fields: [
				HOST,
				field("accounts", "Accounts", "number", false),
				field("second", "Events a second", "number", false),
				field("hour", "Events an hour", "number", false),
				field("day", "Events a day", "number", false),
				field("general", "Back to the relay's general rule for what is empty", "checkbox", false),
			],
			send: ({ host, accounts, second, hour, day, general }) => [
				"/admin/pds/changeLimits",
				limitsOf(host, accounts, [second, hour, day], general),
			],
		},
		resetCursor: {
			title: "Reset a host's cursor",
			text: "The host is followed from after this seq; if it is left empty, from its live end. Messages in between are missed, or come again.",
			fields: [HOST, field("cursor", "Seq", "number", false)],
			send: ({ host, cursor }) => [
				"/admin/pds/resetCursor",
				{ hostname: host, ...(cursor === "" ? {} : { cursor: Number(cursor) }) },
			],
		},
		takeDown: {
			title: "Take an account down",
			text: "No commit of the account passes, and its earlier ones are not replayed. Consumers are told that it is taken down.",
			fields: [DID],
			send: ({ did }) => ["/admin/repo/takeDown", { did }],
		},
		reverseTakedown: {
			title: "Undo a takedown",
			text: "What the account's host says of it holds again.",
			fields: [DID],
			send: ({ did }) => ["/admin/repo/reverseTakedown", { did }],
		},
		dropConsumer: {
			title: "Drop a consumer",
			text: "The consumer's connection ends. It may come back.",
			fields: [field("id", "Number")],
			send: ({ id }) => [`/admin/consumers/drop?${query({ id })}`],
		},
	};

	const dialog = byId("dialog");
	let action = null;
	let opener = null;

	const openDialog = (name, subject, button) => {
		action = ACTIONS[name];
		opener = { button, label: button.getAttribute("aria-label") };
		byId("dialog-title").textContent = action.title;
		byId("dialog-text").textContent = action.text;
		byId("dialog-confirm").textContent = action.title;
		byId("dialog-confirm").hidden = false;
		byId("dialog-cancel").textContent = "Cancel";
		setOutcome("", "");
		byId("dialog-fields").replaceChildren(...action.fields.flatMap((one, at) => inputOf(one, at === 0 ? subject : "")));
		byId("dialog-password").value = "";
		dialog.showModal();
		const first = [...dialog.querySelectorAll("input")].find((input) => input.value === "" && input.required);
		first?.focus();
	};

	const inputOf = ({ name, label, type, isRequired }, value) => {
		const id = `dialog-field-${name}`;
		const attributes = { id, name, type, autocomplete: "off", spellcheck: "false" };
		const input = element("input", { attributes });
		input.required = isRequired;
		const text = element("label", { text: label, attributes: { for: id } });
		if (type === "checkbox") return [element("p", { className: "check" }, [input, text])];
		if (type === "number") input.min = "0";
		input.value = value;
		return [text, input];
	};

	const setOutcome = (text, className) => {
		byId("dialog-outcome").className = className;
		byId("dialog-outcome").textContent = text;
	};

	/** Sends the password with this request only. Without `omit` the browser would ask for it by itself after a wrong one. */
	const send = (path, body, password) => {
		const bytes = new TextEncoder().encode(`admin:${password}`);
		const headers = { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
		if (body !== undefined) headers["Content-Type"] = "application/json";
		return fetch(path.slice(1), {
			method: "POST",
			credentials: "omit",
			headers,
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
	};

	const act = async () => {
		const values = Object.fromEntries(
			action.fields.map(({ name, type }) => {
				const input = byId(`dialog-field-${name}`);
				return [name, type === "checkbox" ? input.checked : input.value.trim()];
			}),
		);
		const password = byId("dialog-password");
		byId("dialog-confirm").disabled = true;
		setOutcome("…", "");
		try {
			const [path, body] = action.send(values);
			const response = await send(path, body, password.value);
			if (response.ok) {
				setOutcome("Done.", "done");
				byId("dialog-confirm").hidden = true;
				byId("dialog-cancel").textContent = "Close";
				byId("dialog-cancel").focus();
				// The relay keeps what it made a moment ago.
				setTimeout(() => {
					for (const name of ["hosts", "consumers", "audit"]) void load(name);
				}, KEPT_MS);
			} else if (response.status === 401) setOutcome("The password is wrong. Nothing was done.", "failed");
			else setOutcome(messageOf(await response.text()), "failed");
		} catch (error) {
			setOutcome(error instanceof TypeError ? "The relay does not answer." : error.message, "failed");
		}
		password.value = "";
		byId("dialog-confirm").disabled = false;
	};

	if (dialog !== null) {
		document.addEventListener("click", (event) => {
			const button = event.target.closest("button[data-action]");
			if (button !== null) openDialog(button.dataset.action, button.dataset.subject ?? "", button);
		});
		byId("dialog-form").addEventListener("submit", (event) => {
			event.preventDefault();
			if (!byId("dialog-confirm").hidden) void act();
		});
		byId("dialog-cancel").addEventListener("click", () => dialog.close());
		// A table may have been shown anew meanwhile, with another button of the same name.
		dialog.addEventListener("close", () => {
			const { button, label } = opener;
			const again = button.isConnected
				? button
				: document.querySelector(`button[aria-label="${CSS.escape(label ?? "")}"]`);
			(again ?? byId("actions"))?.focus();
		});
	}

	// ---- Start ----

	/** Follows the relay while the page is seen. */
	let nextPoll;
	let isPolling = false;
	const follow = async () => {
		clearTimeout(nextPoll);
		isPolling = true;
		const nextMs = await poll();
		isPolling = false;
		if (document.visibilityState === "visible") nextPoll = setTimeout(follow, nextMs);
	};
	document.addEventListener("visibilitychange", () => {
		if (document.visibilityState === "visible" && !isPolling) void follow();
	});
	document.documentElement.classList.add("scripted");
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
	new ResizeObserver(resizeCharts).observe(document.querySelector(".charts"));
	void follow();
	for (const target of document.querySelectorAll("[data-refresh]")) observer.observe(target);
})();
