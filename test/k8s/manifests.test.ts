import { describe, expect, test } from "bun:test";
import { BlockList, isIPv6 } from "node:net";
import { resolve } from "node:path";
import { loadConfig, settingsTable } from "../../src/config/settings.ts";
import { Health } from "../../src/control/health.ts";
import { createInternalApp } from "../../src/http/internal.ts";
import { isPublicAddress } from "../../src/net/address.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Totals } from "../../src/observe/totals.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FIGURES } from "../monitor/figures.ts";
import { findKustomize, findValidator, render } from "./kustomize.ts";
import {
	bytesOf,
	cluster,
	disruptionBudget,
	networkPolicy,
	objectsIn,
	ofKind,
	service,
	statefulSet,
	type Variable,
} from "./objects.ts";

const ROOT = resolve(import.meta.dir, "..", "..");
const MIB = 1024 ** 2;
/** The most threads are started on a large node. */
const MACHINE = { cores: 64 };
/** What CloudNativePG's secret of the application has, with the names of the overlay. */
const INDEX_URI = "postgresql://standpipe:a%2Fb@standpipe-index-rw.relay:5432/standpipe";
const POSTGRES = "overlays/postgres";
/** Groups of kinds that are not Kubernetes' own. */
const GROUPS_OF_OTHERS = String.raw`(?:cnpg\.io|monitoring\.coreos\.com)`;

const kustomize = findKustomize();
if (typeof kustomize === "string") console.warn(`the manifests below k8s/ are not rendered: ${kustomize}`);
const validator = findValidator();
if (validator === null) console.warn("the manifests are not checked against schemas: there is no kubernetes-validate");

const only = <Item>(items: readonly Item[]): Item => {
	const [item, ...rest] = items;
	if (item === undefined || rest.length > 0) throw new RangeError(`${items.length} items and not one`);
	return item;
};
const relayOf = (yaml: string) => {
	const set = only(ofKind(statefulSet, "StatefulSet", yaml));
	const pod = set.spec.template;
	return { set, pod, container: pod.spec.containers[0] };
};

/** The environment as the relay sees it: Kubernetes puts variables that come before into the values after them. */
function environmentOf(
	variables: readonly Variable[],
	secrets: Readonly<Record<string, string>>,
): Record<string, string> {
	const env: Record<string, string> = {};
	for (const one of variables) {
		const given = one.kind === "value" ? one.value : (secrets[`${one.secret.name}/${one.secret.key}`] ?? "");
		env[one.name] = given.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole);
	}
	return env;
}

/** Whether an address is in a network such as `10.0.0.0/8`. */
function isIn(ip: string, network: string): boolean {
	const [address = "", prefix] = network.split("/");
	const list = new BlockList();
	const family = (text: string) => (isIPv6(text) ? "ipv6" : "ipv4");
	list.addSubnet(address, Number(prefix), family(address));
	return list.check(ip, family(ip));
}

/** An address: any, or one near a network. */
function anyAddress(rng: Rng, networks: readonly string[]): string {
	const near = rng.pick(networks);
	if (isIPv6(near.split("/")[0] ?? "")) return anyIPv6(rng, near);
	const number = rng.int(2) === 0 ? rng.int(2 ** 32) : edgeOf(near, rng);
	return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** An address of IPv6 whose first group is that of a network, the one after it, or any. */
function anyIPv6(rng: Rng, network: string): string {
	const [first = "", second = ""] = network.split(":");
	const group = rng.pick([Number.parseInt(first, 16), Number.parseInt(first, 16) + 1, rng.int(2 ** 16)]);
	const next = rng.pick([Number.parseInt(second || "0", 16), rng.int(2 ** 16)]);
	return `${group.toString(16)}:${next.toString(16)}::${(1 + rng.int(2 ** 16 - 1)).toString(16)}`;
}

/** The first or last address of a network, or the one before or after it, as a number. */
function edgeOf(network: string, rng: Rng): number {
	const [address = "", prefix] = network.split("/");
	const first = address.split(".").reduce((sum, part) => 256 * sum + Number(part), 0);
	const size = 2 ** (32 - Number(prefix));
	return (first + rng.pick([0, -1, size - 1, size]) + 2 ** 32) % 2 ** 32;
}

const SECRETS = { "standpipe/admin-password": "a password", "standpipe-index-app/uri": INDEX_URI };

/** Overlays, and what each adds to the base. */
const RENDERED: readonly (readonly [string, () => string])[] =
	typeof kustomize === "string"
		? []
		: [
				["base", () => render(kustomize, "base")],
				[POSTGRES, () => render(kustomize, POSTGRES)],
				[`${POSTGRES} with backups`, () => render(kustomize, POSTGRES, [`${POSTGRES}/backups`])],
				["overlays/hetzner", () => render(kustomize, "overlays/hetzner", ["monitoring"])],
			];

describe.skipIf(typeof kustomize === "string").each(RENDERED)("k8s/%s", (name, rendering) => {
	const yaml = rendering();
	const { set, pod, container } = relayOf(yaml);
	const env = environmentOf(container.env, SECRETS);
	const { config, warnings } = loadConfig([], env, MACHINE);
	const port = (called: string): number => only(container.ports.filter((one) => one.name === called)).containerPort;

	test("sets what the relay knows, to values that it takes", () => {
		expect(warnings).toEqual([]);
		const used = container.env.flatMap((one) => [...(one.kind === "value" ? one.value.matchAll(/\$\((\w+)\)/g) : [])]);
		const others = Object.keys(env).filter((variable) => !settingsTable().includes(`\`${variable}\``));
		expect(others).toEqual(used.map(([, variable = ""]) => variable));
		expect(Object.values(env).filter((value) => value.includes("$("))).toEqual([]);
	});

	test("opens the ports that the relay listens at, which are its usual ones", () => {
		const usual = loadConfig([], {}, MACHINE).config;
		expect([port("public"), port("internal")]).toEqual([config.apiBind.port, config.metricsListen.port]);
		expect([port("public"), port("internal")]).toEqual([usual.apiBind.port, usual.metricsListen.port]);
		// Probes and other pods can't reach a loopback address.
		for (const { host } of [config.apiBind, config.metricsListen]) expect(host).toBe("::");
	});

	test("has a service for consumers, which has no way to the internal port, and one inside of the cluster", () => {
		const services = ofKind(service, "Service", yaml);
		expect(services.map(({ metadata, spec }) => [metadata.name, spec.ports.map((one) => one.targetPort)])).toEqual([
			["standpipe", ["public"]],
			[set.spec.serviceName, ["internal"]],
		]);
		for (const { spec } of services) {
			for (const one of spec.ports) expect(one.port).toBe(port(one.targetPort));
			expect(spec.type).toBe("ClusterIP");
		}
	});

	test("asks by its probes what no full disk changes, and restarts no relay that is starting", async () => {
		const { startupProbe, livenessProbe, readinessProbe } = container;
		const health = new Health();
		health.log = "disk-full";
		health.index = "database-unreachable";
		const app = createInternalApp({
			totals: new Totals(),
			counters: new Counters(),
			figures: () => FIGURES,
			threads: async () => ({}),
			health,
		});
		const answers = async () => {
			const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path);
			return Promise.all(paths.map(async (path) => (await app.request(path)).status));
		};
		expect(await answers()).toEqual([200, 200, 503]);
		health.isStarting = false;
		expect(await answers()).toEqual([200, 200, 200]);
		health.isDraining = true;
		expect(await answers()).toEqual([200, 200, 503]);
		for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) expect(httpGet.port).toBe("internal");
	});

	test("leaves a drain its time", () => {
		expect(pod.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(config.drainTimeoutMs + 5_000);
	});

	test("has secrets by reference only", () => {
		expect(objectsIn(yaml).filter(({ kind }) => kind === "Secret")).toEqual([]);
		const inline = container.env.filter((one) => one.kind === "value");
		for (const { name: variable, value } of inline) {
			expect(variable).not.toMatch(/PASSWORD|SECRET|TOKEN|KEY/);
			expect(value).not.toMatch(/\/\/[^/]*@/);
		}
		const password = container.env.find((one) => one.name === "RELAY_ADMIN_PASSWORD");
		expect(password?.kind).toBe("secret");
		expect(config.adminPasswords).toEqual(["a password"]);
	});

	test("runs as Kubernetes' strictest level wants it, with the user of the image", async () => {
		const dockerfile = await Bun.file(resolve(ROOT, "Dockerfile")).text();
		const [, uid, gid] = /^USER (\d+):(\d+)$/m.exec(dockerfile) ?? [];
		expect(pod.spec.securityContext).toEqual({
			runAsNonRoot: true,
			runAsUser: Number(uid),
			runAsGroup: Number(gid),
			fsGroup: Number(gid),
			seccompProfile: { type: "RuntimeDefault" },
		});
		expect(container.securityContext).toEqual({
			allowPrivilegeEscalation: false,
			readOnlyRootFilesystem: true,
			capabilities: { drop: ["ALL"] },
		});
		expect(pod.spec.automountServiceAccountToken).toBe(false);
		expect(set.spec.replicas).toBe(1);
	});

	test("has rules for the relay's own pod, and for no other in its namespace", () => {
		const policy = only(
			ofKind(networkPolicy, "NetworkPolicy", yaml).filter((one) => one.metadata.name === "standpipe"),
		);
		const budget = only(ofKind(disruptionBudget, "PodDisruptionBudget", yaml));
		const services = ofKind(service, "Service", yaml);
		const selectors = [policy.spec.podSelector, budget.spec.selector].map(({ matchLabels }) => matchLabels);
		// An empty selector means all pods.
		for (const labels of [...selectors, ...services.map(({ spec }) => spec.selector)])
			expect(labels).toEqual({ "app.kubernetes.io/name": "standpipe" });
		expect(pod.metadata.labels).toMatchObject(policy.spec.podSelector.matchLabels);
	});

	test("runs the image of this version", async () => {
		const { version } = (await Bun.file(resolve(ROOT, "package.json")).json()) as { version: string };
		expect(container.image).toBe(`standpipe:${version}`);
	});

	test("keeps its state in the volume, which has room for it, and nothing else but /tmp can be written", () => {
		const claim = only(set.spec.volumeClaimTemplates);
		const at = (volume: string): string => only(container.volumeMounts.filter((one) => one.name === volume)).mountPath;
		expect(config.persistDir).toStartWith(`${at(claim.metadata.name)}/`);
		expect(at("tmp")).toBe("/tmp");
		const roomBytes = bytesOf(claim.spec.resources.requests.storage);
		// A file system of its own takes some hundredths.
		const neededBytes = (config.replayBytesMax ?? Number.NaN) + config.diskReserveBytes;
		expect(roomBytes * 0.97).toBeGreaterThan(neededBytes);
		if (config.databaseUrl.startsWith("sqlite:"))
			expect(config.databaseUrl).toStartWith(`sqlite://${at(claim.metadata.name)}/`);
		const writable = pod.spec.volumes.filter((one) => !("secret" in one));
		expect(writable.map((one) => one.name)).toEqual(["tmp"]);
	});

	test("has memory for all buffers at their limits", () => {
		const stalledConsumers = config.consumersMax * 1.05 * MIB;
		const ingest = config.ingestWorkers * config.ingestBufferBytes;
		// As bench/README.md and docs/design.md have measured them: the rings of eight workers, and a relay that verifies.
		const rings = 184 * MIB;
		const verifying = 264 * MIB;
		expect(bytesOf(container.resources.limits["memory"])).toBeGreaterThan(
			1.5 * (stalledConsumers + ingest + rings + verifying),
		);
		// Throttling would make it late.
		expect(Object.keys(container.resources.limits)).toEqual(["memory"]);
	});

	test("lets it out to the public internet only, as the relay itself does, and in to the public port only", () => {
		const policy = only(
			ofKind(networkPolicy, "NetworkPolicy", yaml).filter((one) => one.metadata.name === "standpipe"),
		);
		expect(policy.spec.policyTypes.sort()).toEqual(["Egress", "Ingress"]);
		const open = policy.spec.ingress.filter(({ from }) => from === undefined).flatMap(({ ports }) => ports);
		// Behind a proxy, who comes another way could claim any address.
		expect(open).toEqual(config.trustProxy ? [] : [{ port: "public" }]);
		const blocks = policy.spec.egress.flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock] : [])));
		const isLetOut = (ip: string): boolean =>
			blocks.some((block) => isIn(ip, block.cidr) && !block.except.some((network) => isIn(ip, network)));
		const rng = new Rng("egress");
		const networks = blocks.flatMap(({ cidr, except }) => [cidr, ...except]);
		const addresses = Array.from({ length: 5_000 }, () => anyAddress(rng, networks));
		expect(addresses.filter((ip) => isLetOut(ip) !== isPublicAddress(ip))).toEqual([]);
		const kinds = addresses.map((ip) => `${isIPv6(ip) ? "IPv6" : "IPv4"}, ${isPublicAddress(ip) ? "public" : "not"}`);
		expect(new Set(kinds).size).toBe(4);
	});

	test.skipIf(validator === null)("passes the schemas of Kubernetes", () => {
		const stdin = Buffer.from(yaml);
		const { stdout, stderr } = Bun.spawnSync([validator ?? "", "--strict", "/dev/stdin"], { stdin });
		const lines = `${stdout}${stderr}`.trim().split("\n");
		const own = objectsIn(yaml).filter(({ apiVersion }) => !new RegExp(GROUPS_OF_OTHERS).test(apiVersion));
		expect(lines.filter((line) => line.startsWith("INFO"))).toHaveLength(own.length);
		// The kinds of others have no schema there.
		const expected = new RegExp(`^INFO|^WARN .*for kind \\w+ with api version [\\w.]*${GROUPS_OF_OTHERS}`);
		expect(lines.filter((line) => !expected.test(line))).toEqual([]);
	});

	if (!name.startsWith(POSTGRES)) return;
	describe("the database", () => {
		const [database] = ofKind(cluster, "Cluster", yaml);
		const called = database?.metadata.name ?? "";
		const policies = ofKind(networkPolicy, "NetworkPolicy", yaml);
		const podsOf = { podSelector: { matchLabels: { "cnpg.io/cluster": called } } };

		test("is the one whose secrets the relay is given, and it must know the server", () => {
			const secrets = container.env.flatMap((one) => (one.kind === "secret" ? [one.secret] : []));
			expect(secrets).toContainEqual({ name: `${called}-app`, key: "uri", optional: false });
			const mounted = only(pod.spec.volumes.filter((one) => "secret" in one));
			expect(mounted["secret"]).toEqual({ secretName: `${called}-ca`, items: [{ key: "ca.crt", path: "ca.crt" }] });
			const { mountPath } = only(container.volumeMounts.filter((one) => one.name === mounted.name));
			const url = new URL(config.databaseUrl);
			expect(url.href.split("?")[0]).toBe(INDEX_URI);
			expect(Object.fromEntries(url.searchParams)).toEqual({
				sslmode: "verify-full",
				sslrootcert: `${mountPath}/ca.crt`,
			});
		});

		test("can be reached by the relay, by its replicas and by the operator, and by nobody else", () => {
			const relays = only(policies.filter((one) => one.metadata.name === "standpipe"));
			expect(relays.spec.egress).toContainEqual({ to: [podsOf], ports: [{ port: 5432 }] });
			const its = only(policies.filter((one) => one.metadata.name === called));
			expect(its.spec.podSelector).toEqual(podsOf.podSelector);
			const from = its.spec.ingress.map((one) => one.from);
			expect(from).toEqual([
				[{ podSelector: { matchLabels: relays.spec.podSelector.matchLabels } }],
				[podsOf],
				[
					{
						namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "cnpg-system" } },
						podSelector: { matchLabels: { "app.kubernetes.io/name": "cloudnative-pg" } },
					},
				],
			]);
		});

		test("has memory for its buffers, and a volume for the changes that it keeps until a checkpoint", () => {
			const { parameters } = database?.spec.postgresql ?? { parameters: {} };
			expect(bytesOf(parameters["shared_buffers"]) * 2).toBeLessThanOrEqual(
				bytesOf(database?.spec.resources.limits["memory"]),
			);
			expect(bytesOf(parameters["max_wal_size"]) * 2).toBeLessThanOrEqual(bytesOf(database?.spec.walStorage.size));
		});

		if (!name.endsWith("with backups")) return;
		test("is backed up to a store whose keys are in a secret", () => {
			const stores = objectsIn(yaml).filter(({ kind }) => kind === "ObjectStore");
			const plugins = database?.spec.plugins ?? [];
			expect(plugins.map(({ parameters }) => parameters.barmanObjectName)).toEqual(
				stores.map(({ metadata }) => metadata.name),
			);
			const nightly = only(objectsIn(yaml).filter(({ kind }) => kind === "ScheduledBackup"));
			expect(nightly).toMatchObject({ spec: { cluster: { name: called }, method: "plugin" } });
		});
	});
});
