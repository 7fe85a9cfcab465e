// What a hostile page tries: every way in which a browser sends text to a port, with messages of TextMQ wherever the page
// may choose the text. Returns how many of each kind were begun.
async ({ origins, messages, seconds }) => {
  const line = messages[0].trim();
  const methods = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "START", "start", "START|", "START|COMMAND",
    "start|command", "START|COMMAND|", "|", "|COMMAND", "START|COMMAND|PUB|END", "PUB", "END",
    // These the browser itself refuses.
    "CONNECT", "TRACE", "START|COMMAND=PUB", "START | COMMAND=PUB", "START\n|COMMAND=", "START\t|", "=", " START",
  ];
  const paths = [
    "/", "/?a|b", "/=", `/${line}`, `/?${line}`, `/%0d%0a${line}%0d%0a`, `/\r\n${line}\r\n`, "/|COMMAND=PUB", "//|COMMAND=",
    `/${"a".repeat(4200)}${line}`, `/${"a".repeat(70000)}`, "/\u0000", "/../|END START|COMMAND=PUB",
  ];
  const bodies = [
    ...messages, ...messages.map((text) => "\r\n\r\n" + text), ...messages.map((text) => "\0\ufeff" + text),
    "x".repeat(4096) + "\n" + messages[0], "x".repeat(70000) + "\n" + messages[0],
  ];
  const begun = {};
  const refused = [];
  const waiting = [];
  const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const attempt = async (kind, run) => {
    try {
      await Promise.race([run(), later(1000 * seconds)]);
      begun[kind] = (begun[kind] ?? 0) + 1;
    } catch (error) {
      if (error instanceof TypeError && /method/i.test(error.message)) refused.push(error.message);
      else begun[kind] = (begun[kind] ?? 0) + 1;
    }
  };
  const all = async (kind, runs) => {
    for (let at = 0; at < runs.length; at += 6)
      await Promise.all(runs.slice(at, at + 6).map((run) => attempt(kind, run)));
  };
  const element = (tag, attributes) => () => new Promise((resolve) => {
    const made = document.createElement(tag);
    made.onload = made.onerror = resolve;
    Object.assign(made, attributes);
    document.body.append(made);
  });
  const form = (url, enctype, name, value) => () => new Promise((resolve) => {
    const frame = Object.assign(document.createElement("iframe"), { name: `frame${Math.random()}`, onload: resolve });
    const made = Object.assign(document.createElement("form"), { action: url, method: "post", enctype, target: frame.name });
    made.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    document.body.append(frame, made);
    made.submit();
  });
  const request = (method, url, body) => () => new Promise((resolve) => {
    const made = new XMLHttpRequest();
    made.open(method, url);
    made.onloadend = resolve;
    made.send(["GET", "HEAD"].includes(method) ? null : body);
  });
  const socket = (url, protocols) => () => new Promise((resolve) => {
    const made = new WebSocket(url.replace("http", "ws"), protocols);
    made.onopen = () => made.send(line);
    made.onclose = resolve;
  });
  for (const origin of origins) {
    const body = bodies[0];
    const has = (method) => !["GET", "HEAD"].includes(method.toUpperCase());
    await all("fetch", methods.flatMap((method) => ["cors", "no-cors"].map((mode) => () =>
      fetch(`${origin}/?a|b=`, { method, mode, body: has(method) ? body : undefined }))));
    await all("path", paths.flatMap((path) => ["GET", "POST", "START", "START|COMMAND"].map((method) => () =>
      fetch(origin + path, { method, body: has(method) ? body : undefined }))));
    await all("body", bodies.flatMap((text) => [text, new Blob([text]), new TextEncoder().encode(text)].map((sent) => () =>
      fetch(`${origin}/`, { method: "POST", mode: "no-cors", body: sent }))));
    await all("header", ["X", "START|COMMAND", "START"].map((name) => () =>
      fetch(`${origin}/`, { method: "START", headers: { [name]: line, Accept: line }, body })));
    await all("xhr", methods.filter((method) => /^[A-Za-z|]+$/.test(method)).map((method) =>
      request(method, `${origin}/|COMMAND=`, body)));
    await all("form", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"].flatMap((enctype) =>
      bodies.slice(0, 6).flatMap((text) => [form(`${origin}/`, enctype, text, ""), form(`${origin}/`, enctype, "a", text)])));
    await all("beacon", bodies.map((text) => async () => navigator.sendBeacon(`${origin}/`, text)));
    await all("socket", [[], ["START"], ["START|COMMAND"], ["chat", "PUB"]].map((protocols) =>
      socket(`${origin}/${line}`, protocols)));
    await all("element", paths.slice(0, 9).flatMap((path) => [
      element("img", { src: origin + path }), element("script", { src: origin + path }),
      element("link", { rel: "stylesheet", href: origin + path }), element("iframe", { src: origin + path }),
    ]));
    await all("events", [() => new Promise((resolve) => {
      const made = new EventSource(`${origin}/|COMMAND=`);
      made.onerror = () => { made.close(); resolve(); };
    })]);
    await all("relay", [async () => {
      const host = new URL(origin).host;
      const made = new RTCPeerConnection({
        iceTransportPolicy: "relay",
        iceServers: [{ urls: [`turn:${host}?transport=tcp`], username: line.slice(0, 500), credential: line }],
      });
      made.createDataChannel("x");
      await made.setLocalDescription(await made.createOffer());
      await later(1500);
      made.close();
    }]);
  }
  return { begun, refused: refused.length };
}
