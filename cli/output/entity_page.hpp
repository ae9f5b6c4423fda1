#pragma once
// EntityPage: one entity in full, as described by the control verb `inspect` or by the store.

#include <boost/json/object.hpp>

#include "cli/output/console.hpp"

namespace epic::cli {

/// Data on stdout: the object itself with -o json or jsonl, otherwise a page for people or "name<TAB>value" lines.
void print_entity(Console& console, const boost::json::object& entity);

}  // namespace epic::cli
