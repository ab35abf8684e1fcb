import { expect, test } from "bun:test";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const ENV = { RELAY_MAX_READS_PER_IP: "10000", RELAY_INITIAL_SEQ_NUMBER: "1000" };

test("`standpipe check` finds no fault at the relay, and can judge all", async () => {
	const rig = await RelayRig.start({ seed: "check", hosts: 3, accounts: 8 }, ENV);
	try {
		await rig.network.burst(60);
		const [account] = rig.network.accounts;
		if (account === undefined) throw new Error("there are no accounts");
		rig.network.send(account, account.account(false, "deactivated"));
		await until(
			async () =>
				isIndexed((await rig.stats()).log) && rig.received(account.did).length === rig.expected(account.did).length,
		);
		const stopping = new AbortController();
		const others = rig.network.accounts.slice(1);
		const running = rig.network.run(50, stopping.signal, async () => {
			const other = rig.network.rng.pick(others);
			rig.network.send(other, await other.commit());
			return 1;
		});
		const url = `http://127.0.0.1:${rig.relay.apiPort}`;
		const args = [
			"check",
			"--json",
			"--rate",
			"1000",
			"--limit",
			"2",
			"--seconds",
			"240",
			"--inactive-did",
			account.did,
			url,
		];
		const child = Bun.spawn([program, ...rest.slice(0, -1), ...args], { stdout: "pipe", stderr: "inherit" });
		const lines = (await child.stdout.text()).trim().split("\n");
		stopping.abort();
		await running;
		const results = lines.map((line) => JSON.parse(line));
		expect(results.filter(({ part, result }) => part === "check" && result !== "pass")).toEqual([]);
		expect(results.at(-1)).toMatchObject({ part: "done", pass: results.length - 1, fail: 0, skip: 0 });
		expect(await child.exited).toBe(0);
	} finally {
		await rig.stop();
	}
});
