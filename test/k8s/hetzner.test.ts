import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config/settings.ts";
import type { Control } from "../../src/control/api.ts";
import { Health } from "../../src/control/health.ts";
import { isDashboardPath } from "../../src/dashboard/paths.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { findKustomize, render } from "./kustomize.ts";
import {
	bytesOf,
	configMap,
	cronJob,
	helmChartConfig,
	ingress,
	networkPolicy,
	objectsIn,
	ofKind,
	service,
	statefulSet,
	storageClass,
} from "./objects.ts";

const OVERLAY = "overlays/hetzner";
const FIREHOSE = "/xrpc/com.atproto.sync.subscribeRepos";
const PASSWORD = "a password";
/** The mirrored disks that the figures are for: 512 GB. */
const DISK_BYTES = 512e9;
/** k3s has the kubelet evict pods when less is free. */
const EVICTION_SHARE = 0.05;

const kustomize = findKustomize();
const isRendered = typeof kustomize !== "string";
const yaml = isRendered ? render(kustomize, OVERLAY) : "";
const node = isRendered ? render(kustomize, `${OVERLAY}/node`) : "";

const first = <Item>([item]: readonly Item[]): Item => {
	if (item === undefined) throw new RangeError("there is none");
	return item;
};
const relay = () => first(ofKind(statefulSet, "StatefulSet", yaml));
const jobOf = (text: string) => {
	const job = first(ofKind(cronJob, "CronJob", text));
	const { template } = job.spec.jobTemplate.spec;
	return { job, template, container: template.spec.containers[0] };
};
const configOf = () => {
	const [container] = relay().spec.template.spec.containers;
	const values = container.env.flatMap((one) => (one.kind === "value" ? [[one.name, one.value]] : []));
	return loadConfig([], Object.fromEntries(values), { cores: 16 }).config;
};

/** Paths that the public port answers, with an admin API or without. */
function publicPaths(): string[] {
	const control = {} as Control;
	const app = createXrpcApp({
		read: async () => new Response(),
		health: new Health(),
		control,
		counters: new Counters(),
	});
	app.route("/", createAdminApp({ passwords: [PASSWORD], control, counters: new Counters() }));
	const paths = app.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path);
	return [...new Set([...paths, FIREHOSE, "/dashboard/live"])];
}

describe.skipIf(!isRendered)("k8s/overlays/hetzner", () => {
	test("lets in what the public port has, but for the admin API", () => {
		const { rules, tls } = first(ofKind(ingress, "Ingress", yaml)).spec;
		const { host, http } = first(rules);
		const isLetIn = (path: string): boolean =>
			http.paths.some((one) =>
				one.pathType === "Exact" ? path === one.path : `${path}/`.startsWith(one.path.replace(/\/?$/, "/")),
			);
		const paths = publicPaths();
		expect(paths.length).toBeGreaterThan(20);
		expect(isDashboardPath("/dashboard/live")).toBe(true);
		expect(paths.filter((path) => !isLetIn(path) !== path.startsWith("/admin/"))).toEqual([]);
		const words = ["admin", "Admin", "%61dmin", "", ".", "..", "x"];
		const rng = new Rng("paths");
		for (let round = 0; round < 500; round++) {
			const path = `/${["admin", ...Array.from({ length: rng.int(3) }, () => rng.pick(words))].join("/")}`;
			expect([path, isLetIn(path)]).toEqual([path, false]);
		}
		expect(tls.map(({ hosts }) => hosts)).toEqual([[host]]);
	});

	test("sends all of it to the public service, over TLS only", () => {
		const { metadata, spec } = first(ofKind(ingress, "Ingress", yaml));
		const names = ofKind(service, "Service", yaml).flatMap((one) =>
			one.spec.ports.map(({ name }) => `${one.metadata.name} ${name}`),
		);
		for (const { backend } of spec.rules.flatMap(({ http }) => http.paths)) {
			const target = `${backend.service.name} ${backend.service.port.name}`;
			expect(target).toBe("standpipe public");
			expect(names).toContain(target);
		}
		expect(spec.ingressClassName).toBe("traefik");
		expect(metadata.annotations).toEqual({
			"cert-manager.io/cluster-issuer": "letsencrypt",
			"traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
		});
	});

	test("believes what traefik says of a client's address, and only traefik and the job for hosts can come", () => {
		expect(configOf().trustProxy).toBe(true);
		const policies = ofKind(networkPolicy, "NetworkPolicy", yaml);
		const own = first(policies.filter(({ metadata }) => metadata.name === "standpipe"));
		const toPublic = own.spec.ingress.filter(({ ports }) => ports.some(({ port }) => port === "public"));
		expect(toPublic.map(({ from }) => from)).toEqual([
			[
				{
					namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
					podSelector: { matchLabels: { "app.kubernetes.io/name": "traefik" } },
				},
				{ podSelector: { matchLabels: jobOf(yaml).template.metadata.labels } },
			],
		]);
		const chart = first(ofKind(helmChartConfig, "HelmChartConfig", node));
		expect([chart.metadata.name, chart.metadata.namespace]).toEqual(["traefik", "kube-system"]);
		expect(Bun.YAML.parse(chart.spec.valuesContent)).toEqual({ service: { spec: { externalTrafficPolicy: "Local" } } });
	});

	test("has its volume on the node's own disks, and leaves the node the part below which it would evict the relay", () => {
		const [claim] = relay().spec.volumeClaimTemplates;
		const own = first(ofKind(storageClass, "StorageClass", node));
		expect(claim.spec.storageClassName).toBe(own.metadata.name);
		expect(own).toMatchObject({ provisioner: "rancher.io/local-path", reclaimPolicy: "Retain" });
		const { diskReserveBytes, replayBytesMax } = configOf();
		expect(diskReserveBytes).toBeGreaterThan(1.5 * EVICTION_SHARE * DISK_BYTES);
		// The alert for the disk comes at twice the reserve. A full log must not set it off.
		expect(DISK_BYTES - (replayBytesMax ?? Number.NaN)).toBeGreaterThan(2 * diskReserveBytes + 25e9);
		expect(bytesOf(claim.spec.resources.requests.storage)).toBeLessThan(DISK_BYTES);
	});

	test("asks for the cores and the memory that a relay was measured to take", () => {
		const [{ resources }] = relay().spec.template.spec.containers;
		// bench/README.md: CPU time of an event at 2,000/s, and what a core sends; memory with 249,000 accounts, of 500,000 in the caches.
		const cores = 2_000 * 600e-6 + (100 * 2_000) / 220_000;
		expect(Number(resources.requests["cpu"])).toBeGreaterThanOrEqual(Math.floor(cores));
		const fullCachesBytes = 1_002 * 1024 ** 2 + (500_000 - 249_000) * 2.8e3;
		expect(bytesOf(resources.requests["memory"])).toBeGreaterThan(fullCachesBytes);
	});
});

describe.skipIf(!isRendered)("the job that adds hosts", () => {
	let folder: string;
	let asked: { authorization: string | null; body: unknown }[];
	let server: ReturnType<typeof Bun.serve>;

	beforeAll(() => {
		folder = mkdtempSync(join(tmpdir(), "standpipe-hosts-"));
		asked = [];
		server = Bun.serve({
			port: 0,
			routes: {
				"/admin/pds/addHosts": {
					POST: async (request) => {
						const body = (await request.json()) as { hosts: string[] };
						asked.push({ authorization: request.headers.get("authorization"), body });
						return Response.json({ hosts: body.hosts.map((hostname) => ({ hostname, outcome: "known" })) });
					},
				},
			},
		});
	});
	afterAll(async () => {
		await server.stop(true);
		rmSync(folder, { recursive: true });
	});

	/** Runs what the job runs, with a list, against a relay that stands in for the service. */
	async function runJob(list: string): Promise<number | null> {
		const { container, template } = jobOf(yaml);
		const [volume] = template.spec.volumes;
		const mount = first(container.volumeMounts.filter(({ name }) => name === volume.name));
		const map = first(
			ofKind(configMap, "ConfigMap", yaml).filter(({ metadata }) => metadata.name === volume.configMap.name),
		);
		const keys = Object.keys(map.data);
		for (const key of keys) await Bun.write(join(folder, key), list);
		const args = container.args.map((arg) =>
			arg.replace(mount.mountPath, folder).replace(/^http:\/\/standpipe:\d+$/, server.url.origin),
		);
		const env = Object.fromEntries(
			container.env.map(({ name, ...rest }) => [name, rest.kind === "secret" ? PASSWORD : rest.value]),
		);
		return run(args, {
			env,
			output: { line: () => true, status: () => {}, isTerminal: false },
			complain: console.warn,
		});
	}

	test("gives the relay all of its list, with the relay's password", async () => {
		asked = [];
		expect(await runJob(JSON.stringify(["pds.example.com", "other.example.com"]))).toBe(0);
		expect(asked).toEqual([
			{
				authorization: `Basic ${btoa(`admin:${PASSWORD}`)}`,
				body: { hosts: ["pds.example.com", "other.example.com"], source: "the command line" },
			},
		]);
	});

	test("does nothing with the list that it has until there is one", async () => {
		asked = [];
		const map = first(ofKind(configMap, "ConfigMap", yaml));
		expect(await runJob(first(Object.values(map.data)))).toBe(0);
		expect(asked).toEqual([]);
	});

	test("asks the relay's service at its port, with the secret that the relay has its password from", () => {
		const { container } = jobOf(yaml);
		const target = new URL(container.args[container.args.indexOf("--relay") + 1] ?? "");
		const services = ofKind(service, "Service", yaml).map(({ metadata, spec }) => [metadata.name, spec.ports[0]?.port]);
		expect(services).toContainEqual([target.hostname, Number(target.port)]);
		const [own] = relay().spec.template.spec.containers;
		const secretsOf = (env: typeof own.env) => env.flatMap((one) => (one.kind === "secret" ? [one] : []));
		expect(secretsOf(container.env).map(({ secret, ...one }) => ({ ...one, ...secret, optional: true }))).toEqual(
			secretsOf(own.env).map(({ secret, ...one }) => ({ ...one, ...secret })),
		);
		expect(container.image).toBe(own.image);
	});

	test("is as confined as the relay, and is no pod of the relay's services and policies", () => {
		const { job, template, container } = jobOf(yaml);
		const pod = relay().spec.template.spec;
		const { fsGroup: _, ...user } = pod.securityContext;
		expect(template.spec.securityContext).toEqual(user);
		expect(container.securityContext).toEqual(pod.containers[0].securityContext);
		expect(template.spec.automountServiceAccountToken).toBe(false);
		expect(job.spec.concurrencyPolicy).toBe("Forbid");
		for (const { spec } of ofKind(service, "Service", yaml)) {
			const matches = Object.entries(spec.selector).every(([name, value]) => template.metadata.labels[name] === value);
			expect(matches).toBe(false);
		}
		const policy = first(
			ofKind(networkPolicy, "NetworkPolicy", yaml).filter(({ spec }) =>
				Bun.deepEquals(spec.podSelector.matchLabels, template.metadata.labels),
			),
		);
		expect(policy.spec.ingress).toEqual([]);
		const [, ...beyondDns] = policy.spec.egress;
		expect(beyondDns).toEqual([
			{ to: [{ podSelector: { matchLabels: relay().spec.template.metadata.labels } }], ports: [{ port: "public" }] },
		]);
	});
});

describe.skipIf(!isRendered)("k8s/overlays/hetzner/node", () => {
	test("is apart from the relay's overlay: a namespace there would move it", () => {
		const kindsOf = (text: string) => objectsIn(text).map(({ kind }) => kind);
		expect(kindsOf(node).sort()).toEqual(["HelmChartConfig", "StorageClass"]);
		expect(kindsOf(yaml).filter((kind) => kindsOf(node).includes(kind))).toEqual([]);
		const inNamespaces = (text: string) => objectsIn(text).filter(({ metadata }) => "namespace" in metadata);
		expect([inNamespaces(yaml), inNamespaces(node).map(({ kind }) => kind)]).toEqual([[], ["HelmChartConfig"]]);
	});
});
