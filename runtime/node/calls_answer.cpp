#include "node/calls_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace epic::node {

namespace control = protocol::control;
using kernel::CallView;

namespace {

constexpr std::size_t kAnswerBytesMax = 16u << 20;  // a quarter of a frame
constexpr std::size_t kLinksMax = 16;               // of a chain, the nearest

std::string text_of(const kernel::CallId& id) { return fmt::format("{}.{}.{}", id.node, id.life, id.sequence); }

control::CallInFlight describe(const CallView& call, std::string_view node) {
  return {.id = text_of(call.id),
          .node = std::string(node),
          .entity = call.entity,
          .method = call.method,
          .caller = call.caller,
          .state = call.state,
          .age_ms = call.age_ns / 1'000'000};
}

std::vector<control::Calls::Link> describe_chain(const CallView& call) {
  std::vector<control::Calls::Link> chain;
  const std::size_t first = call.waiting.size() > kLinksMax ? call.waiting.size() - kLinksMax : 0;
  for (std::size_t i = first; i < call.waiting.size(); ++i) {
    const kernel::ChainLink& link = call.waiting[i];
    chain.push_back(
        {.id = text_of(link.id), .call = link.method.empty() ? link.entity : link.entity + "." + link.method});
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

std::vector<control::CallInFlight> describe_calls(const kernel::Kernel& kernel, std::string_view node,
                                                  std::string_view entity) {
  std::vector<control::CallInFlight> calls;
  for (const CallView& call : kernel.calls(entity)) calls.push_back(describe(call, node));
  return calls;
}

control::Calls::NodeAnswer describe_all_calls(const kernel::Kernel& kernel, std::string_view node,
                                              const control::Calls::Request& request) {
  std::vector<CallView> views;
  if (!request.entity.empty()) views = kernel.calls(kernel.types().stored(request.entity));
  const std::size_t first = views.size();
  std::ranges::move(kernel.calls({}), std::back_inserter(views));
  std::ranges::sort(views.begin() + static_cast<std::ptrdiff_t>(first), views.end(), std::ranges::greater(),
                    &CallView::age_ns);

  control::Calls::NodeAnswer answer{.node = std::string(node), .left_off = 0};
  std::set<kernel::CallId> seen;
  std::size_t bytes = 0;
  for (const CallView& view : views) {
    if (!seen.insert(view.id).second) continue;
    bytes += bytes_of(view);
    if (bytes > kAnswerBytesMax) break;
    control::Calls::Known call;
    static_cast<control::CallInFlight&>(call) = describe(view, node);
    if (view.sent_to != kernel::NodeId{0}) call.sent_to = fmt::format("node-{}", view.sent_to);
    call.waiting = describe_chain(view);
    answer.calls.push_back(std::move(call));
  }
  const std::size_t pending = kernel.stats().calls_pending;
  answer.left_off = pending > answer.calls.size() ? pending - answer.calls.size() : 0;
  return answer;
}

}  // namespace epic::node
