// The OpenAPI document in Swagger UI. Where the service asks for a key, it is the one given to the page, or asked for here.

import { byId, h } from "./element.js";
import { headers, keyForm } from "./key.js";

const response = await fetch("openapi.json", { headers: headers() });
const found = await response.json();
if (response.ok) {
  const { SwaggerUIBundle } = window;
  SwaggerUIBundle({
    spec: found,
    dom_id: "#swagger-ui",
    layout: "BaseLayout",
    deepLinking: true,
    showCommonExtensions: true,
    presets: [SwaggerUIBundle.presets.apis],
    requestInterceptor: (request) => ({ ...request, headers: { ...headers(), ...request.headers } }),
  });
} else {
  document.head.append(h("link", { rel: "stylesheet", href: "assets/style.css" }));
  byId("ask").append(keyForm({ title: found.title, message: found.detail }));
}
