#pragma once
// Worker: computes the values of one partition's vertices, step by step. Worker/web-3 works on Partition/web-3.
//
// It lives in memory only: saving values in each step would cost more than to compute them again. A worker that a crash
// has emptied says that it does not know the job, and the graph begins a new one, with a new number. What is still
// under way from the old one carries its number, and is refused.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms.hpp"
#include "links.hpp"

/// A run of an algorithm over a graph.
struct Job {
  std::string graph;
  std::int64_t number = 0;
  AlgorithmName algorithm = AlgorithmName::rank;
  std::uint32_t parts = 0;
  std::int64_t vertices = 0;
};
BOOST_DESCRIBE_STRUCT(Job, (), (graph, number, algorithm, parts, vertices))

/// After a step, of one part or of all.
struct Progress {
  double change = 0;    // of all values together
  double dangling = 0;  // the sum of values of vertices that send nothing
};
BOOST_DESCRIBE_STRUCT(Progress, (), (change, dangling))

/// A vertex and its value.
struct Finding {
  std::uint32_t vertex = 0;
  double value = 0;
};
BOOST_DESCRIBE_STRUCT(Finding, (), (vertex, value))

struct Result {
  static constexpr std::size_t kLargestMax = 10;

  std::vector<Finding> largest;  // values, largest first
  std::int64_t named_after = 0;  // vertices whose value is their own number
};
BOOST_DESCRIBE_STRUCT(Result, (), (largest, named_after))

class Worker : public epic::Entity {
  Job job_;
  std::uint32_t part_ = 0;
  std::shared_ptr<const Algorithm> algorithm_;
  Links links_;
  std::vector<double> values_;
  std::vector<double> changes_;
  std::map<std::int64_t, std::vector<Batch>> inbox_;  // by step, and by the part that has sent

 public:
  /// Forgets everything else, and takes the first values, which are those of step 0.
  epic::Task<Progress> begin(Job job, std::uint32_t part);
  /// Sends its values of the step before to all workers, and returns when they have them.
  epic::Task<void> scatter(std::int64_t number, std::int64_t step);
  /// A batch of another worker.
  epic::Task<void> receive(std::int64_t number, std::int64_t step, std::uint32_t from, Batch batch);
  /// Takes the values of this step, when all batches are there. `dangling`: of all parts, in the step before.
  epic::Task<Progress> apply(std::int64_t number, std::int64_t step, double dangling);
  /// Saves the values, and sums them up.
  epic::Task<Result> finish(std::int64_t number);

  EPIC_ENTITY(Worker, transient, methods(begin, scatter, receive, apply, finish))

 private:
  void check(std::int64_t number) const;
  [[nodiscard]] Progress progress() const;
};

/// Sorts them, largest first, and drops all but so many.
void keep_largest(std::vector<Finding>& findings);

std::string part_key(const std::string& graph, std::uint32_t part);
