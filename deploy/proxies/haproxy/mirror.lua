-- Sends a copy of each request to the sink and waits for nothing.

local sink = "127.0.0.1:8081"

core.register_action("umbra_mirror", { "http-req" }, function(txn)
  -- The client of HAProxy's Lua knows GET, HEAD, POST, PUT and DELETE.
  local method = string.lower(txn.sf:method())
  if core.httpclient()[method] == nil then
    return
  end
  local body = txn.sf:req_body()
  if tonumber(txn.sf:req_body_size()) > string.len(body) then
    return
  end
  local headers = txn.http:req_get_headers()
  local host = headers["host"] and headers["host"][0] or ""
  headers["host"] = { [0] = (string.gsub(host, "^([^:]*)", "%1-shadow", 1)) }
  local url = "http://" .. sink .. txn.sf:pathq()
  core.register_task(function()
    local client = core.httpclient()
    client[method](client, { url = url, headers = headers, body = body })
  end)
end)
