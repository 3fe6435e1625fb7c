// SPDX-License-Identifier: Apache-2.0
// Policies in words, as Istio's documents spell them.
#pragma once

#include <string>

#include "culvert/evaluator.h"

namespace culvert::evaluator {

std::string text(PolicyAction action);  // "ALLOW"
// What the connection has and what the condition asks for: "source.namespace is b, wanted a or c*".
std::string failure_text(const Condition &condition, const PolicySubject &subject);

}  // namespace culvert::evaluator
