// SPDX-License-Identifier: ISC
// Sends what the JSON on standard input says, over a pool of connections, and
// prints the answers as JSON.
"use strict";
const nodemailer = require("nodemailer");
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));
const transport = nodemailer.createTransport({
	pool: true, maxConnections: 3, maxMessages: 100,
	host: "127.0.0.1", port: job.port, secure: job.secure,
	requireTLS: !job.secure, name: "client.example",
	tls: { servername: job.name, ca: job.ca },
	auth: { user: job.user, pass: job.password },
});

Promise.all(job.subjects.map((subject) => transport.sendMail({
	from: job.user, to: job.recipients, subject: subject,
	text: "Plain words.\n.\n..\n", html: "<p>And the same again.</p>",
	attachments: [{ filename: "gr\u00fc\u00df.bin",
		content: Buffer.from(job.attachment, "hex") }],
}))).then((answers) => {
	transport.close();
	console.log(JSON.stringify(answers));
}, (error) => {
	console.error(error);
	process.exit(1);
});
