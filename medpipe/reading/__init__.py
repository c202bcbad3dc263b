"""Can radiologists tell synthetic images from real ones? A blinded reading, and the statistics of
its answers.

`drawing` makes a study out of two pools of images, `study` holds its secret key, `answers` reads
what readers sent back, and `scoring` says what it shows. The page itself is written by
`medpipe.report.reading_page`.
"""
