// The reference PDS on loopback. Its settings are its own PDS_* variables. Prints a line of JSON when it is ready, and
// one for each e-mail it would send.
import { envToCfg, envToSecrets, PDS, readEnv } from "@atproto/pds";

const env = readEnv();
const pds = await PDS.create(envToCfg(env), envToSecrets(env));

// Codes for account deletion and migration come by e-mail only.
const { transporter } = pds.ctx.mailer;
const sendMail = transporter.sendMail.bind(transporter);
transporter.sendMail = async (mail) => {
	const sent = await sendMail(mail);
	console.log(JSON.stringify({ mail: { to: mail.to, text: mail.html } }));
	return sent;
};

// `start` listens on every interface. So the host is added to its `listen`, which also attaches the upgrade handler.
const listen = pds.app.listen;
pds.app.listen = (port, ...rest) => listen.call(pds.app, port, "127.0.0.1", ...rest);

await pds.start();
console.log(JSON.stringify({ ready: true }));
process.once("SIGTERM", () => pds.destroy().finally(() => process.exit(0)));
