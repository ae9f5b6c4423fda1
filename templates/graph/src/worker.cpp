#include "worker.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include "partition.hpp"

std::string part_key(const std::string& graph, std::uint32_t part) { return fmt::format("{}-{}", graph, part); }

void keep_largest(std::vector<Finding>& findings) {
  std::ranges::sort(findings, [](const Finding& left, const Finding& right) {
    return left.value != right.value ? left.value > right.value : left.vertex < right.vertex;
  });
  if (findings.size() > Result::kLargestMax) findings.resize(Result::kLargestMax);
}

epic::Task<Progress> Worker::begin(Job job, std::uint32_t part) {
  if (job.number < job_.number) throw std::runtime_error(fmt::format("job {} is over", job.number));
  job_ = job;
  part_ = part;
  inbox_.clear();
  std::shared_ptr<const Algorithm> algorithm = make_algorithm(job.algorithm);
  const Part edges = co_await epic::Ref<Partition>(part_key(job.graph, part))->get_part();
  check(job.number);  // another job may have begun meanwhile

  algorithm_ = std::move(algorithm);
  links_ = Links(edges, job.parts, algorithm_->is_undirected());
  values_.assign(links_.size(), -1);
  changes_.assign(links_.size(), 1);  // all of them are new
  for (std::uint32_t vertex = 0; vertex < links_.size(); ++vertex)
    if (links_.has(vertex))
      values_[vertex] = algorithm_->first(std::uint64_t{vertex} * job_.parts + part_,
                                          {.vertices = static_cast<double>(job_.vertices)});
  co_return progress();
}

// The one place where values become messages. At most as many calls as there are parts.
epic::Task<void> Worker::scatter(std::int64_t number, std::int64_t step) {
  check(number);
  std::vector<double> messages(values_.size());
  for (std::uint32_t vertex = 0; vertex < links_.size(); ++vertex)
    messages[vertex] = algorithm_->message(values_[vertex], links_.edges_of(vertex));
  const auto send = [&](std::uint32_t vertex) {
    return algorithm_->sends_always() || changes_[vertex] != 0 ? &messages[vertex] : nullptr;
  };
  const auto combine = [&](double left, double right) { return algorithm_->combine(left, right); };

  std::vector<epic::Call<void>> calls;
  std::uint32_t to = 0;
  for (Batch& batch : links_.collect(send, combine))
    calls.push_back(epic::Ref<Worker>(part_key(job_.graph, to++))->receive(number, step, part_, std::move(batch)));
  co_await epic::gather(std::move(calls));
}

epic::Task<void> Worker::receive(std::int64_t number, std::int64_t step, std::uint32_t from, Batch batch) {
  check(number);
  auto& batches = inbox_[step];
  batches.resize(job_.parts);
  batches[from] = std::move(batch);
  co_return;
}

epic::Task<Progress> Worker::apply(std::int64_t number, std::int64_t step, double dangling) {
  check(number);
  std::vector<std::optional<double>> received(values_.size());
  for (const Batch& batch : inbox_[step])  // in the order of parts: so the sums are the same each time
    for (std::size_t i = 0; i < batch.vertices.size(); ++i) {
      auto& sum = received[batch.vertices[i]];
      sum = sum ? algorithm_->combine(*sum, batch.values[i]) : batch.values[i];
    }
  inbox_.erase(step);

  const GraphFacts facts{.vertices = static_cast<double>(job_.vertices), .dangling = dangling};
  for (std::uint32_t vertex = 0; vertex < links_.size(); ++vertex) {
    if (!links_.has(vertex)) continue;
    const double next = algorithm_->next(values_[vertex], received[vertex], facts);
    changes_[vertex] = std::abs(next - values_[vertex]);
    values_[vertex] = next;
  }
  co_return progress();
}

epic::Task<Result> Worker::finish(std::int64_t number) {
  check(number);
  Result result;
  for (std::uint32_t vertex = 0; vertex < links_.size(); ++vertex) {
    if (!links_.has(vertex)) continue;
    const std::uint32_t name = vertex * job_.parts + part_;
    result.named_after += values_[vertex] == name ? 1 : 0;
    result.largest.push_back({.vertex = name, .value = values_[vertex]});
  }
  keep_largest(result.largest);
  co_await epic::Ref<Partition>(part_key(job_.graph, part_))->keep(job_.algorithm, values_);
  co_return result;
}

// Graph begins anew when it gets this; see Graph::compute().
void Worker::check(std::int64_t number) const {
  if (job_.number != number)
    throw std::runtime_error(fmt::format("{} does not know job {}", self_of(*this).name(), number));
}

Progress Worker::progress() const {
  Progress progress;
  for (std::uint32_t vertex = 0; vertex < links_.size(); ++vertex) {
    if (!links_.has(vertex)) continue;
    progress.change += changes_[vertex];
    if (links_.edges_of(vertex) == 0) progress.dangling += values_[vertex];
  }
  return progress;
}
