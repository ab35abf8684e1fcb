import type { Hono } from "hono";
import * as v from "valibot";
import type { Control } from "../control/api.ts";
import { HOSTS_PER_ADD_MAX } from "../control/hosts.ts";
import type { ClientEnv } from "./base.ts";
import { refusalResponse, requester } from "./crawl.ts";
import { hostnameParameter, readBody } from "./parameters.ts";

/** Room for `HOSTS_PER_ADD_MAX` names of any length, and the source. */
const BODY_BYTES_MAX = 20_000;
const SOURCE_CHARS_MAX = 200;

const ADD_BODY = v.object(
	{
		hosts: v.pipe(
			v.array(hostnameParameter, "`hosts` must be an array of hostnames"),
			v.nonEmpty("`hosts` must not be empty"),
			v.maxLength(HOSTS_PER_ADD_MAX, `\`hosts\` must have at most ${HOSTS_PER_ADD_MAX} names`),
		),
		source: v.optional(
			v.pipe(
				v.string("`source` must be a string"),
				v.maxLength(SOURCE_CHARS_MAX, `\`source\` must not be longer than ${SOURCE_CHARS_MAX} characters`),
			),
			"a list",
		),
	},
	"the body must be an object with an array `hosts`",
);

/** The part of the admin API that adds the hosts of a list. */
export function addListRoutes(app: Hono<ClientEnv>, control: Control): void {
	app.post("/admin/pds/addHosts", async (context) => {
		const { hosts, source } = await readBody(ADD_BODY, context, BODY_BYTES_MAX);
		const result = await control.addHosts(hosts, source, requester(context, true));
		if (!result.ok) return refusalResponse(result);
		return context.json({ hosts: result.hosts });
	});
}
