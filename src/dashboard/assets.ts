import type { Hono } from "hono";
import uplotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import type { ClientEnv } from "../http/base.ts";
import client from "./assets/client.js" with { type: "text" };
import icon from "./assets/icon.svg" with { type: "text" };
import style from "./assets/style.css" with { type: "text" };

/** What the page loads, by its name below `/dashboard/`. Nothing comes from anywhere else. */
const ASSETS: Readonly<Record<string, { type: string; text: string }>> = {
	"client.js": { type: "text/javascript; charset=utf-8", text: client },
	"uplot.js": { type: "text/javascript; charset=utf-8", text: uplotScript },
	"uplot.css": { type: "text/css; charset=utf-8", text: uplotStyle },
	"style.css": { type: "text/css; charset=utf-8", text: style },
	"icon.svg": { type: "image/svg+xml", text: icon },
};

/** Serves the page's files. A browser that has one asks only whether it is still the same. */
export function addAssets(app: Hono<ClientEnv>): void {
	for (const [name, { type, text }] of Object.entries(ASSETS)) {
		const tag = `"${Bun.hash(text).toString(36)}"`;
		const headers = { "Content-Type": type, "Cache-Control": "no-cache", ETag: tag };
		app.get(`/dashboard/${name}`, (context) => {
			if (context.req.header("If-None-Match") === tag) return context.body(null, 304, headers);
			return context.body(text, 200, headers);
		});
	}
}
