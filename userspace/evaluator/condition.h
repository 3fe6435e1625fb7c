// SPDX-License-Identifier: Apache-2.0
// The leaves of a policy: one attribute of the connection against the values of one condition.
#pragma once

#include <optional>
#include <string>

#include "culvert/evaluator.h"

namespace culvert::evaluator {

// What the connection has of one of the source's names; nullopt: it does not exist.
std::optional<std::string> source_name(Attribute attribute, const SpiffeId *peer);

bool holds(const Condition &condition, const PolicySubject &subject);
bool holds(const Conjunction &conjunction, const PolicySubject &subject);
// One of `alternatives` holds, or there is none.
bool any_holds(const std::vector<Conjunction> &alternatives, const PolicySubject &subject);

}  // namespace culvert::evaluator
