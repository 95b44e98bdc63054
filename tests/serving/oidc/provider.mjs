// An OpenID Connect issuer for tests: one account per name, a form that takes any of them, no passwords.
// Started by tests/serving/oidc/issuer.py with the configuration as JSON; prints its address when it listens.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import http from 'node:http';

const given = JSON.parse(process.argv[2]);
const library = createRequire(`${given.modules}/`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(library));

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const address = `http://127.0.0.1:${server.address().port}`;

const account = (id) => given.accounts[id] && {
  accountId: id,
  claims: () => ({ sub: `sub-${id}`, ...given.accounts[id] }),
};

const provider = new Provider(address, {
  clients: given.clients,
  jwks: { keys: given.keys },
  findAccount: (_, id) => account(id),
  claims: {
    openid: ['sub'],
    profile: ['name', 'roles', 'crm_user'],
    email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: given.claims_at_userinfo,
  pkce: { required: () => true },
  cookies: { keys: ['only for tests'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => given.audience,
      useGrantedResource: () => false,
      getResourceServerInfo: () => ({
        scope: 'read',
        audience: given.audience,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: (_, token) => (token.kind === 'ClientCredentials' ? { sub: 'machine', roles: ['ops'] } : undefined),
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
});

const page = (body) => `<!doctype html><html lang="en"><title>Sign in</title><body>${body}</body></html>`;

async function form(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page(`<h1>Sign in</h1><form method="post" action="/login/${uid}"><label>Account
    <input name="account" autofocus></label><button>Sign in</button></form>`));
}

async function login(request, response) {
  let body = '';
  for await (const part of request) body += part;
  const id = new URLSearchParams(body).get('account');
  const { params } = await provider.interactionDetails(request, response);
  if (!account(id)) {
    await provider.interactionFinished(request, response, { error: 'access_denied' });
    return;
  }
  const grant = new provider.Grant({ accountId: id, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { login: { accountId: id }, consent });
}

const serve = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/login/')) {
    serve(request, response);
    return;
  }
  (request.method === 'POST' ? login : form)(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
console.log(address);
