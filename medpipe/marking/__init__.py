"""Mark synthetic images and recognise them: watermark, manifest of digests, C2PA."""
