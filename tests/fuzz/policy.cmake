# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(policy_codec
  SOURCES policy_codec_fuzz.cc ${CMAKE_SOURCE_DIR}/tests/support/policy_cases.cc
          ${CMAKE_SOURCE_DIR}/tests/support/policy_text.cc
          ${CMAKE_SOURCE_DIR}/tests/support/policy_compiled.cc
  USES policy evaluator identity crypto base)
target_include_directories(fuzz_policy_codec PRIVATE ${CMAKE_SOURCE_DIR}/tests)
