/** A span as OTLP has it in JSON. */
export interface ReceivedSpan {
	traceId: string;
	spanId: string;
	parentSpanId?: string;
	name: string;
	kind: number;
	startTimeUnixNano: string;
	endTimeUnixNano: string;
	attributes: { key: string; value: { stringValue?: string; intValue?: number | string } }[];
	status: { code: number; message?: string };
}

interface ExportRequest {
	resourceSpans: {
		resource: { attributes: ReceivedSpan["attributes"] };
		scopeSpans: { spans: ReceivedSpan[] }[];
	}[];
}

/** A receiver of traces by OTLP over HTTP, as JSON. */
export class OtlpReceiver {
	readonly spans: ReceivedSpan[] = [];
	/** Names of the services that have sent spans. */
	readonly services = new Set<string>();
	/** Paths and content types of the requests. */
	readonly requests: string[] = [];
	/** Whether it answers with 400, for which nobody tries again, and takes nothing. */
	isFailing = false;
	readonly #server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.#answer(request) });

	get url(): string {
		return `http://127.0.0.1:${this.#server.port}`;
	}

	stop(): Promise<void> {
		return this.#server.stop(true);
	}

	async #answer(request: Request): Promise<Response> {
		this.requests.push(`${new URL(request.url).pathname} ${request.headers.get("content-type")}`);
		const body = (await request.json()) as ExportRequest;
		if (this.isFailing) return new Response("", { status: 400 });
		for (const { resource, scopeSpans } of body.resourceSpans) {
			this.services.add(String(valuesOf(resource.attributes)["service.name"]));
			for (const { spans } of scopeSpans) this.spans.push(...spans);
		}
		return Response.json({});
	}
}

/** Attributes by their names. */
export function valuesOf(attributes: ReceivedSpan["attributes"]): Record<string, string | number> {
	return Object.fromEntries(
		attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? Number.NaN)]),
	);
}
