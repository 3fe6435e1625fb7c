# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(config SOURCES config_fuzz.cc USES config)
