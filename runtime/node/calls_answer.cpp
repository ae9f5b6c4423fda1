#include "node/calls_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace epic::node {

namespace json = boost::json;
using kernel::CallView;

namespace {

constexpr std::size_t kAnswerBytesMax = 16u << 20;  // a fourth of a frame
constexpr std::size_t kLinksMax = 16;               // of a chain, the nearest

std::string text_of(const kernel::CallId& id) { return fmt::format("{}.{}.{}", id.node, id.life, id.sequence); }

json::object describe(const CallView& call, std::string_view node) {
  return {{"id", text_of(call.id)},
          {"node", node},
          {"entity", call.entity},
          {"method", call.method},
          {"caller", call.caller},
          {"state", call.state},
          {"age_ms", call.age_ns / 1'000'000}};
}

json::array describe_chain(const CallView& call) {
  json::array chain;
  const std::size_t first = call.waiting.size() > kLinksMax ? call.waiting.size() - kLinksMax : 0;
  for (std::size_t i = first; i < call.waiting.size(); ++i) {
    const kernel::ChainLink& link = call.waiting[i];
    chain.emplace_back(json::object{{"id", text_of(link.id)},
                                    {"call", link.method.empty() ? link.entity : link.entity + "." + link.method}});
  }
  return chain;
}

std::size_t bytes_of(const CallView& call) {
  constexpr std::size_t kAround = 256;  // names of fields, numbers, quotes
  std::size_t bytes = kAround + call.entity.size() + call.method.size() + call.caller.size() + call.state.size();
  for (const kernel::ChainLink& link : call.waiting) bytes += kAround / 4 + link.entity.size() + link.method.size();
  return bytes;
}

}  // namespace

json::array describe_calls(const kernel::Kernel& kernel, std::string_view node, std::string_view entity) {
  json::array calls;
  for (const CallView& call : kernel.calls(entity)) calls.emplace_back(describe(call, node));
  return calls;
}

json::object describe_all_calls(const kernel::Kernel& kernel, std::string_view node, const json::object& body) {
  std::vector<CallView> views;
  const auto* entity = body.if_contains("entity");
  if (entity != nullptr && entity->is_string() && !entity->get_string().empty())
    views = kernel.calls(kernel.types().stored(std::string_view(entity->get_string())));
  const std::size_t first = views.size();
  std::ranges::move(kernel.calls({}), std::back_inserter(views));
  std::ranges::sort(views.begin() + static_cast<std::ptrdiff_t>(first), views.end(), std::ranges::greater(),
                    &CallView::age_ns);

  json::array calls;
  std::set<kernel::CallId> seen;
  std::size_t bytes = 0;
  for (const CallView& view : views) {
    if (!seen.insert(view.id).second) continue;
    bytes += bytes_of(view);
    if (bytes > kAnswerBytesMax) break;
    json::object call = describe(view, node);
    call["sent_to"] =
        view.sent_to == kernel::NodeId{0} ? json::value(nullptr) : json::value(fmt::format("node-{}", view.sent_to));
    call["waiting"] = describe_chain(view);
    calls.emplace_back(std::move(call));
  }
  const std::size_t pending = kernel.stats().calls_pending;
  const std::size_t left_off = pending > calls.size() ? pending - calls.size() : 0;
  return {{"node", node}, {"calls", std::move(calls)}, {"left_off", left_off}};
}

}  // namespace epic::node
