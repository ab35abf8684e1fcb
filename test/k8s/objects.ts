import * as v from "valibot";

const labels = v.record(v.string(), v.string());
const names = v.object({ name: v.string(), labels: v.optional(labels) });
const httpGet = v.strictObject({ path: v.string(), port: v.string() });
const probe = v.looseObject({ httpGet, periodSeconds: v.number(), failureThreshold: v.optional(v.number(), 3) });
const amounts = v.record(v.string(), v.string());

const variable = v.variant("kind", [
	v.object({ kind: v.literal("value"), name: v.string(), value: v.string() }),
	v.object({
		kind: v.literal("secret"),
		name: v.string(),
		secret: v.strictObject({ name: v.string(), key: v.string(), optional: v.optional(v.boolean(), false) }),
	}),
]);

/** An environment variable of a container: its value, or the secret that has it. */
export type Variable = v.InferOutput<typeof variable>;

const env = v.pipe(
	v.array(
		v.union([
			v.strictObject({ name: v.string(), value: v.string() }),
			v.strictObject({ name: v.string(), valueFrom: v.strictObject({ secretKeyRef: v.unknown() }) }),
		]),
	),
	v.transform((all) =>
		all.map((one) =>
			"value" in one
				? { kind: "value", ...one }
				: { kind: "secret", name: one.name, secret: one.valueFrom.secretKeyRef },
		),
	),
	v.array(variable),
);

/** The parts of a StatefulSet that the tests look at. */
export const statefulSet = v.object({
	kind: v.literal("StatefulSet"),
	metadata: names,
	spec: v.object({
		replicas: v.number(),
		serviceName: v.string(),
		template: v.object({
			metadata: v.object({ labels }),
			spec: v.object({
				automountServiceAccountToken: v.boolean(),
				serviceAccountName: v.string(),
				terminationGracePeriodSeconds: v.number(),
				securityContext: v.object({
					runAsNonRoot: v.boolean(),
					runAsUser: v.number(),
					runAsGroup: v.number(),
					fsGroup: v.number(),
					seccompProfile: v.object({ type: v.string() }),
				}),
				containers: v.tuple([
					v.object({
						image: v.string(),
						env,
						ports: v.array(v.object({ name: v.string(), containerPort: v.number() })),
						startupProbe: probe,
						livenessProbe: probe,
						readinessProbe: probe,
						resources: v.object({ requests: amounts, limits: amounts }),
						securityContext: v.object({
							allowPrivilegeEscalation: v.boolean(),
							readOnlyRootFilesystem: v.boolean(),
							capabilities: v.strictObject({ drop: v.array(v.string()) }),
						}),
						volumeMounts: v.array(v.object({ name: v.string(), mountPath: v.string() })),
					}),
				]),
				volumes: v.array(v.looseObject({ name: v.string() })),
			}),
		}),
		volumeClaimTemplates: v.tuple([
			v.object({
				metadata: names,
				spec: v.object({
					storageClassName: v.optional(v.string()),
					resources: v.object({ requests: v.object({ storage: v.string() }) }),
				}),
			}),
		]),
	}),
});

export const service = v.object({
	kind: v.literal("Service"),
	metadata: names,
	spec: v.object({
		clusterIP: v.optional(v.string()),
		type: v.optional(v.string(), "ClusterIP"),
		selector: labels,
		ports: v.array(v.object({ name: v.string(), port: v.number(), targetPort: v.string() })),
	}),
});

const selector = v.object({ matchLabels: v.optional(labels, {}) });
const peer = v.object({
	podSelector: v.optional(selector),
	namespaceSelector: v.optional(selector),
	ipBlock: v.optional(v.object({ cidr: v.string(), except: v.optional(v.array(v.string()), []) })),
});
const ports = v.array(v.object({ port: v.union([v.string(), v.number()]) }));

export const networkPolicy = v.object({
	kind: v.literal("NetworkPolicy"),
	metadata: names,
	spec: v.object({
		podSelector: selector,
		policyTypes: v.array(v.string()),
		ingress: v.array(v.object({ from: v.optional(v.array(peer)), ports })),
		egress: v.optional(v.array(v.object({ to: v.optional(v.array(peer)), ports })), []),
	}),
});

export const disruptionBudget = v.object({
	kind: v.literal("PodDisruptionBudget"),
	spec: v.object({ selector, maxUnavailable: v.number() }),
});

/** A database of CloudNativePG. */
export const cluster = v.object({
	kind: v.literal("Cluster"),
	metadata: names,
	spec: v.object({
		instances: v.number(),
		plugins: v.optional(v.array(v.object({ parameters: v.object({ barmanObjectName: v.string() }) })), []),
		resources: v.object({ limits: amounts }),
		postgresql: v.object({ parameters: amounts }),
		storage: v.object({ size: v.string() }),
		walStorage: v.object({ size: v.string() }),
	}),
});

export const configMap = v.object({ kind: v.literal("ConfigMap"), metadata: names, data: labels });

const backend = v.strictObject({
	service: v.strictObject({ name: v.string(), port: v.strictObject({ name: v.string() }) }),
});

export const ingress = v.object({
	kind: v.literal("Ingress"),
	metadata: v.object({ name: v.string(), annotations: labels }),
	spec: v.object({
		ingressClassName: v.string(),
		tls: v.array(v.strictObject({ hosts: v.array(v.string()), secretName: v.string() })),
		rules: v.array(
			v.strictObject({
				host: v.string(),
				http: v.strictObject({
					paths: v.array(v.strictObject({ path: v.string(), pathType: v.picklist(["Exact", "Prefix"]), backend })),
				}),
			}),
		),
	}),
});

/** A job of the relay's own program. */
export const cronJob = v.object({
	kind: v.literal("CronJob"),
	metadata: names,
	spec: v.object({
		concurrencyPolicy: v.string(),
		jobTemplate: v.object({
			spec: v.object({
				activeDeadlineSeconds: v.number(),
				template: v.object({
					metadata: v.object({ labels }),
					spec: v.object({
						automountServiceAccountToken: v.boolean(),
						securityContext: v.looseObject({ runAsNonRoot: v.boolean() }),
						containers: v.tuple([
							v.object({
								image: v.string(),
								args: v.array(v.string()),
								env,
								securityContext: v.looseObject({ readOnlyRootFilesystem: v.boolean() }),
								volumeMounts: v.array(v.object({ name: v.string(), mountPath: v.string() })),
							}),
						]),
						volumes: v.tuple([v.strictObject({ name: v.string(), configMap: v.strictObject({ name: v.string() }) })]),
					}),
				}),
			}),
		}),
	}),
});

export const storageClass = v.object({
	kind: v.literal("StorageClass"),
	metadata: names,
	provisioner: v.string(),
	volumeBindingMode: v.string(),
	reclaimPolicy: v.string(),
});

/** Values for the chart of something that k3s installs. */
export const helmChartConfig = v.strictObject({
	kind: v.literal("HelmChartConfig"),
	apiVersion: v.literal("helm.cattle.io/v1"),
	metadata: v.strictObject({ name: v.string(), namespace: v.string() }),
	spec: v.strictObject({ valuesContent: v.string() }),
});

/** What the Prometheus operator scrapes. Strict: an object of the operator's has no schema here that would find a mistyped field. */
export const serviceMonitor = v.object({
	kind: v.literal("ServiceMonitor"),
	apiVersion: v.literal("monitoring.coreos.com/v1"),
	metadata: names,
	spec: v.strictObject({
		jobLabel: v.string(),
		selector: v.strictObject({ matchLabels: labels }),
		endpoints: v.array(
			v.strictObject({
				port: v.string(),
				path: v.string(),
				interval: v.string(),
				relabelings: v.array(
					v.strictObject({ sourceLabels: v.array(v.string()), separator: v.string(), targetLabel: v.string() }),
				),
			}),
		),
	}),
});

export const prometheusRules = v.object({
	kind: v.literal("PrometheusRule"),
	apiVersion: v.literal("monitoring.coreos.com/v1"),
	metadata: names,
	spec: v.strictObject({
		groups: v.array(
			v.strictObject({
				name: v.string(),
				rules: v.array(
					v.strictObject({
						alert: v.string(),
						expr: v.string(),
						for: v.optional(v.string()),
						labels,
						annotations: labels,
					}),
				),
			}),
		),
	}),
});

/** The objects of a kind among those that were rendered. */
export function ofKind<Schema extends v.GenericSchema<unknown, { kind: string }>>(
	schema: Schema,
	kind: v.InferOutput<Schema>["kind"],
	yaml: string,
): v.InferOutput<Schema>[] {
	return objectsIn(yaml)
		.filter((one) => one.kind === kind)
		.map((one) => v.parse(schema, one));
}

const anyObject = v.looseObject({ apiVersion: v.string(), kind: v.string(), metadata: v.looseObject(names.entries) });

/** All objects that were rendered. */
export function objectsIn(yaml: string): v.InferOutput<typeof anyObject>[] {
	return v.parse(v.array(anyObject), Bun.YAML.parse(yaml));
}

const UNITS: Readonly<Record<string, number>> = { Mi: 1024 ** 2, Gi: 1024 ** 3, MB: 1024 ** 2, GB: 1024 ** 3 };

/** The bytes of an amount in Kubernetes' or PostgreSQL's writing, whose `GB` is 1024^3 too. */
export function bytesOf(amount: string | undefined): number {
	const [, digits, unit = ""] = /^(\d+)(Mi|Gi|MB|GB)$/.exec(amount ?? "") ?? [];
	if (digits === undefined) throw new RangeError(`${amount} is no amount of bytes`);
	return Number(digits) * (UNITS[unit] ?? Number.NaN);
}
