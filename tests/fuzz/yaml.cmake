# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(yaml SOURCES yaml_fuzz.cc USES yaml)
